using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>What an operator needs: health, metrics, backup, support bundle.</summary>
internal static class Upkeep
{
    public static void AddUpkeep(this WebApplicationBuilder builder, HostSettings settings, EmbeddedStore store)
    {
        builder.Services.AddSingleton(settings);
        builder.Services.AddSingleton<Readiness>();
    }

    public static void MapUpkeep(this WebApplication app)
    {
        app.MapHealth();
    }
}
