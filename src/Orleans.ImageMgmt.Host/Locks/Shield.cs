using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>The outermost layer: headers on every answer, and a clear no to requests that are no requests.</summary>
internal sealed class Shield(RequestDelegate next, ILogger<Shield> log)
{
    /// <summary>An answer of the API is no page: nothing in it may run, load or be framed.</summary>
    private const string ApiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    /// <summary>What the Orleans dashboard loads: its own files, and styles that its scripts set.</summary>
    private const string DashboardPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private const int ClientGone = 499; // nobody reads it but the log

    public async Task InvokeAsync(HttpContext context)
    {
        SetHeaders(context);
        try
        {
            if (context.Request.ContentLength > context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize)
            {
                context.Response.Headers.Connection = "close"; // the body is not worth reading
                await WriteAsync(context, StatusCodes.Status413PayloadTooLarge);
                return;
            }

            await next(context);
        }
        catch (BadHttpRequestException problem) when (!context.Response.HasStarted)
        {
            SetHeaders(context);
            await WriteAsync(context, problem.StatusCode);
        }
        catch (Exception problem) when (context.RequestAborted.IsCancellationRequested || problem is ConnectionResetException)
        {
            if (!context.Response.HasStarted)
            {
                context.Response.StatusCode = ClientGone;
            }
        }
        catch (Exception problem) when (!context.Response.HasStarted)
        {
            SetHeaders(context);
            await FaultAsync(context, problem);
        }
    }

    /// <summary>An exception that nobody expected is our bug; the caller gets its number in the log, never its trace.</summary>
    private Task FaultAsync(HttpContext context, Exception problem)
    {
        if (context.Request.Path.StartsWithSegments(DashboardDoor.Path))
        {
            // The dashboard throws where it is asked for a silo or a grain that it does not know.
            LocksLog.DashboardFault(log, context.Request.Path, problem);
            return Answers.WriteAsync(context, StatusCodes.Status404NotFound, "The dashboard does not know this",
                new Refusal("dashboard.unknown", "There is no such silo, grain or page.", "Go back to the dashboard's first page."));
        }

        LocksLog.Fault(log, context.Request.Method, context.Request.Path, context.TraceIdentifier, problem);
        return Answers.WriteAsync(context, StatusCodes.Status500InternalServerError, "The server failed",
            new Refusal("server.fault", "The request failed because of a fault of the server.", "Try again; if it stays so, look for traceId in the server's log."));
    }

    private static Task WriteAsync(HttpContext context, int status) => Answers.WriteAsync(context, status, "The request cannot be read", status switch
    {
        StatusCodes.Status413PayloadTooLarge => new Refusal("request.too-large",
            $"The body is longer than {context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize} bytes, which is all that is taken here.", "Send less; a disk is sent as an upload."),
        StatusCodes.Status408RequestTimeout => new Refusal("request.too-slow", "The body came too slowly.", "Send it again over a better connection."),
        StatusCodes.Status415UnsupportedMediaType => new Refusal("request.media-type", "The body is of a kind that is not read here.", "Send application/json."),
        _ => new Refusal("request.malformed", "The request is not well formed.", "Check its path, headers and body."),
    });

    private static void SetHeaders(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.XFrameOptions = "DENY";
        headers.CacheControl = "no-store";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers.ContentSecurityPolicy = context.Request.Path.StartsWithSegments(DashboardDoor.Path) ? DashboardPolicy : ApiPolicy;
        if (context.Request.IsHttps)
        {
            headers.StrictTransportSecurity = "max-age=31536000";
        }
    }
}
