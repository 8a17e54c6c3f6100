using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>What an operator needs: health, metrics, backup, support bundle.</summary>
internal static class Upkeep
{
    public static void AddUpkeep(this WebApplicationBuilder builder, HostSettings settings, SiloStore store)
    {
        builder.Services.TryAddSingleton(settings);
        if (store is EmbeddedStore)
        {
            builder.Services.AddSingleton<Backups>(); // a database server has its own
        }

        builder.Services.AddSingleton<StatusReport>();
        builder.Services.AddSingleton<EstateCounts>();
        builder.Services.AddSingleton(services => new ServedCertificate(services.GetRequiredService<ListenAddress>().IsSecure ? services.GetRequiredService<ServerCertificate>() : null));
        builder.Services.AddSingleton<Metrics>();
        builder.Services.AddSingleton<SupportBundle>();
        builder.AddTelemetry(settings);
    }

    public static void MapUpkeep(this WebApplication app)
    {
        _ = app.Services.GetRequiredService<Metrics>(); // counts from the start, not from the first question
        app.MapHealth();
        app.MapStatus();
        app.MapMetrics();
        app.MapSupportBundle();
        app.MapBackups();
    }
}
