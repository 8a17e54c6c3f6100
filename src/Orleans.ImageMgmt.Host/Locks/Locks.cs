using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Orleans.ImageMgmt.Host;

/// <summary>Who may come in: listening addresses, tokens, roles, limits.</summary>
internal static class Locks
{
    public static void AddLocks(this WebApplicationBuilder builder, HostSettings settings, HttpOptions http)
    {
        builder.WebHost.UseKestrelCore().UseUrls(http.Listen);
        builder.Services.AddRouting();
    }

    public static void UseLocks(this WebApplication app)
    {
        app.UseRouting();
    }
}
