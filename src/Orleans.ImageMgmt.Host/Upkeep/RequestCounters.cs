using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Orleans.ImageMgmt.Host;

/// <summary>Counts requests by method, route and status. A route is the endpoint's own pattern, never a path from outside, so their number is bounded.</summary>
internal sealed class RequestCounters(TimeProvider time)
{
    private static readonly HashSet<string> KnownMethods = new(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], StringComparer.Ordinal);

    public ConcurrentDictionary<(string Method, string Route, string Status), long> Counts { get; } = new();

    public DurationHistogram Durations { get; } = new();

    public async Task CountAsync(HttpContext context, RequestDelegate next)
    {
        var began = time.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "none";
            var method = KnownMethods.Contains(context.Request.Method) ? context.Request.Method : "other";
            Counts.AddOrUpdate((method, route, context.Response.StatusCode.ToString(CultureInfo.InvariantCulture)), 1, (_, count) => count + 1);
            if (context.Response.ContentType?.StartsWith("text/event-stream", StringComparison.Ordinal) != true)
            {
                Durations.Add(time.GetElapsedTime(began).TotalSeconds); // a stream lasts as long as its reader wants
            }
        }
    }

    /// <summary>In front of everything else, so that what the locks turn away is counted too.</summary>
    internal sealed class Filter(RequestCounters counters) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use(following => context => counters.CountAsync(context, following));
            next(app);
        };
    }
}
