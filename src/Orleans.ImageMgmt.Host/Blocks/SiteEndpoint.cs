using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;

namespace Orleans.ImageMgmt.Host;

/// <summary>Takes the service's calls for the pods of this site: one web socket a call, on the block server's port. Only a silo's certificate opens it.</summary>
internal sealed class SiteEndpoint(SiteDesk desk, Func<PrivateTrust> trust, int limit, ILogger log) : IDisposable
{
    private readonly SemaphoreSlim places = new(limit);

    public void Map(WebApplication app)
    {
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = SiteLink.KeepAlive, KeepAliveTimeout = SiteLink.KeepAlive });
        app.MapGet(SiteLink.Route, http => RunAsync(http, app.Lifetime));
    }

    public void Dispose() => places.Dispose();

    private async Task RunAsync(HttpContext http, IHostApplicationLifetime lifetime)
    {
        var (caller, reason) = trust().Check(http.Connection.ClientCertificate, asServer: false, CertificateKind.Silo);
        if (caller is null)
        {
            SiteLog.Refused(log, http.Connection.RemoteIpAddress?.ToString() ?? "", reason);
            http.Response.StatusCode = StatusCodes.Status403Forbidden;
        }
        else if (!http.WebSockets.IsWebSocketRequest)
        {
            http.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
        }
        else if (!await places.WaitAsync(TimeSpan.Zero, CancellationToken.None))
        {
            SiteLog.Full(log, limit);
            http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
        else
        {
            await ServeAsync(http, lifetime.ApplicationStopping);
        }
    }

    private async Task ServeAsync(HttpContext http, CancellationToken stopping)
    {
        try
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync();
            await desk.ServeAsync(socket, stopping);
        }
        finally
        {
            places.Release();
        }
    }
}

internal static partial class SiteLog
{
    [LoggerMessage(EventId = 8120, Level = LogLevel.Warning, Message = "{From} was refused a call at this site: {Reason}")]
    internal static partial void Refused(ILogger logger, string from, string reason);

    [LoggerMessage(EventId = 8121, Level = LogLevel.Warning, Message = "A call was refused: {Limit} are under way (Blocks:Calls)")]
    internal static partial void Full(ILogger logger, int limit);
}
