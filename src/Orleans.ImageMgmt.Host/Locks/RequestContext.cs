using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Who asks, for the activity log.</summary>
internal static class RequestContext
{
    /// <summary>The caller of this request: the name of the token, the address it came from, and the reason it gave.</summary>
    public static RequestedBy By(HttpContext context, string? reason = null) =>
        new(context.User.Identity?.Name ?? "nobody", $"http {context.Connection.RemoteIpAddress?.ToString() ?? "unknown"}", reason ?? "") { Trace = Grains.Spans.Here };
}
