using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Connections;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>The outermost layer: headers on every answer, and a clear no to requests that are no requests.</summary>
internal sealed class Shield(RequestDelegate next)
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
