using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Orleans.Dashboard;
using Orleans.Hosting;

namespace Orleans.ImageMgmt.Host;

/// <summary>The Orleans dashboard behind our locks.</summary>
internal static class DashboardDoor
{
    public const string Path = "/dashboard";

    /// <summary>Shows what a grain keeps, which may be more than a reader should see.</summary>
    private const string GrainState = "/GrainState";

    public static void AddDashboardDoor(this ISiloBuilder silo) => silo.AddDashboard(options => options.HideTrace = true); // it would show log lines

    public static void Map(IEndpointRouteBuilder app)
    {
        var dashboard = app.MapOrleansDashboard(Path);
        dashboard.RequireAuthorization(Roles.Viewer).ExcludeFromDescription();
        ((IEndpointConventionBuilder)dashboard).Add(endpoint =>
        {
            if (endpoint is RouteEndpointBuilder { RoutePattern.RawText: { } text } && text.EndsWith(GrainState, StringComparison.Ordinal))
            {
                endpoint.Metadata.Add(new AuthorizeAttribute(Roles.Administrator));
            }
        });
    }
}
