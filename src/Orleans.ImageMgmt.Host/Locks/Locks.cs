using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Orleans.ImageMgmt.Host;

/// <summary>Who may come in: listening addresses, tokens, roles, limits.</summary>
internal static class Locks
{
    public static void AddLocks(this WebApplicationBuilder builder, HostSettings settings, HttpOptions http)
    {
        builder.WebHost.UseKestrelCore().UseUrls(http.Listen);
        builder.Services.AddRouting();
        var policies = builder.Services.AddAuthorizationBuilder();
        foreach (var role in Roles.All)
        {
            policies.AddPolicy(role, policy => policy.RequireAssertion(_ => true)); // there are no tokens yet
        }
    }

    public static void UseLocks(this WebApplication app)
    {
        app.UseRouting();
        app.UseAuthorization();
    }
}
