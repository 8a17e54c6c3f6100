using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;
using Orleans.Dashboard;
using Orleans.Hosting;

namespace Orleans.ImageMgmt.Host;

/// <summary>The Orleans dashboard behind our locks.</summary>
internal static class DashboardDoor
{
    public const string Path = "/dashboard";

    /// <summary>Shows what a grain keeps, which may be more than a reader should see.</summary>
    private const string GrainState = "/GrainState";

    private const string Script = "/index.min.js";

    private static readonly byte[] HideTrace = "window.hideTrace=true;\n"u8.ToArray();

    public static void AddDashboardDoor(this ISiloBuilder silo) => silo.AddDashboard(options => options.HideTrace = true); // it would show log lines

    /// <summary>The silos collect, this process shows.</summary>
    public static void AddDashboardDoor(this IClientBuilder client) => client.AddDashboard(options => options.HideTrace = true);

    public static void Map(IEndpointRouteBuilder app)
    {
        var dashboard = app.MapOrleansDashboard(Path);
        dashboard.RequireAuthorization(Roles.Viewer).ExcludeFromDescription();
        dashboard.AddEndpointFilter(HideTraceAsync);
        ((IEndpointConventionBuilder)dashboard).Add(endpoint =>
        {
            if (endpoint is RouteEndpointBuilder { RoutePattern.RawText: { } text } && text.EndsWith(GrainState, StringComparison.Ordinal))
            {
                endpoint.Metadata.Add(new AuthorizeAttribute(Roles.Administrator));
            }
        });
    }

    /// <summary>The dashboard's page hides its log view when its window says so, and nothing of the dashboard says so: its script is given the word first.</summary>
    private static async ValueTask<object?> HideTraceAsync(EndpointFilterInvocationContext call, EndpointFilterDelegate next)
    {
        if (!call.HttpContext.Request.Path.Value!.EndsWith(Script, StringComparison.Ordinal))
        {
            return await next(call);
        }

        var headers = call.HttpContext.Request.Headers;
        headers.Remove(HeaderNames.AcceptEncoding); // the text is needed, not its compressed form
        headers.Remove(HeaderNames.IfNoneMatch);
        return await next(call) is FileContentHttpResult script
            ? Results.Bytes((byte[])[.. HideTrace, .. script.FileContents.Span], script.ContentType) : Results.NotFound();
    }
}
