using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>Whatever goes wrong inside, the caller gets one problem document and never a stack trace.</summary>
internal sealed class ProblemMiddleware(RequestDelegate next, ILogger<ProblemMiddleware> log)
{
    /// <summary>A client that went away gets no answer; the number is for logs only.</summary>
    private const int ClientGone = 499;

    private const int BusyRetrySeconds = 2;

    public async Task InvokeAsync(HttpContext http)
    {
        if (http.Request.Path.StartsWithSegments(DashboardDoor.Path))
        {
            await next(http); // pages of another program: the shield knows them
            return;
        }

        try
        {
            await next(http);
            if (http.Response.StatusCode >= StatusCodes.Status400BadRequest && !http.Response.HasStarted && http.Response.ContentType is null
                && http.Response.ContentLength is null or 0)
            {
                await Problems.WriteAsync(http, OfStatus(http));
            }
        }
        catch (Exception problem) when (http.RequestAborted.IsCancellationRequested && problem is OperationCanceledException or IOException)
        {
            http.Response.StatusCode = http.Response.HasStarted ? http.Response.StatusCode : ClientGone;
        }
        catch (Exception problem) when (Of(problem) is { } answer)
        {
            await AnswerAsync(http, problem, answer);
        }
    }

    /// <summary>Null for what nobody expected: the shield answers it, and the log has its trace.</summary>
    private static RequestProblem? Of(Exception problem) => problem switch
    {
        RequestProblem known => known,
        RefusedException refused => RequestProblem.Of(refused.Refusal),
        BadHttpRequestException bad => OfBadRequest(bad),
        StoreUnavailableException store => new RequestProblem(StatusCodes.Status503ServiceUnavailable, store.Code, store.Message, "Try again in a moment.", retryAfterSeconds: BusyRetrySeconds),
        TimeoutException or Runtime.OrleansException or OperationCanceledException => new RequestProblem(StatusCodes.Status503ServiceUnavailable, "server.busy",
            "The server did not get to it in time; a change may still be carried out.", "Look how the thing stands, or repeat the request with the same idempotency key.", retryAfterSeconds: BusyRetrySeconds),
        _ => null,
    };

    private async Task AnswerAsync(HttpContext http, Exception problem, RequestProblem answer)
    {
        if (answer.Status >= StatusCodes.Status500InternalServerError && problem is not RequestProblem)
        {
            DoorLog.Failed(log, http.Request.Method, http.Request.Path, http.TraceIdentifier, problem);
        }

        if (http.Response.HasStarted)
        {
            http.Abort(); // half an answer must not pass for a whole one
            return;
        }

        http.Response.Headers.Remove("ETag");
        http.Response.Headers.Remove("Location");
        await Problems.WriteAsync(http, answer);
    }

    private static RequestProblem OfBadRequest(BadHttpRequestException bad) => bad.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => new RequestProblem(bad.StatusCode, "request.too-large", "The body of the request is too large.", "Send less; a disk is sent as an upload."),
        StatusCodes.Status408RequestTimeout => new RequestProblem(bad.StatusCode, "request.too-slow", "The body of the request came too slowly.", "Send it again over a faster way."),
        _ => new RequestProblem(bad.StatusCode, "request.broken", "The request is no proper HTTP request, or it ended in the middle.", "Send it again in whole."),
    };

    /// <summary>For answers that have a status and nothing else: routing, authentication.</summary>
    private static RequestProblem OfStatus(HttpContext http) => http.Response.StatusCode switch
    {
        StatusCodes.Status401Unauthorized => new RequestProblem(401, "access.no-token", "The request carries no valid token.", "Send the header Authorization: Bearer TOKEN."),
        StatusCodes.Status403Forbidden => new RequestProblem(403, "access.denied", "The token's role does not allow this.", "Use a token with a higher role."),
        StatusCodes.Status404NotFound => new RequestProblem(404, "route.unknown", $"There is nothing at {http.Request.Path}.", $"The API is described at {Routes.OpenApi}."),
        StatusCodes.Status405MethodNotAllowed => new RequestProblem(405, "route.method", $"{http.Request.Method} is not possible at {http.Request.Path}.", $"Possible is: {http.Response.Headers.Allow}."),
        StatusCodes.Status415UnsupportedMediaType => MediaType(http.Request.ContentType),
        var status => new RequestProblem(status, $"http.{status}", $"{ReasonPhrases.GetReasonPhrase(status)}.", $"The API is described at {Routes.OpenApi}."),
    };

    public static RequestProblem MediaType(string? got, string wanted = "application/json") => new(StatusCodes.Status415UnsupportedMediaType, "request.media-type",
        got is null ? "The request has a body without a Content-Type." : $"The body is '{got}'.", $"Send {wanted}.");
}

/// <summary>Writes problem documents.</summary>
internal static class Problems
{
    public static Task WriteAsync(HttpContext http, RequestProblem problem)
    {
        http.Response.StatusCode = problem.Status;
        http.Response.Headers.CacheControl = "no-store";
        if (problem.RetryAfterSeconds is { } seconds)
        {
            http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return HttpMethods.IsHead(http.Request.Method)
            ? Task.CompletedTask
            : http.Response.WriteAsJsonAsync(Of(http, problem), ImageMgmtJson.Options, Problem.MediaType, CancellationToken.None);
    }

    private static Problem Of(HttpContext http, RequestProblem problem) => new()
    {
        Type = Problem.TypePrefix + problem.Code,
        Title = ReasonPhrases.GetReasonPhrase(problem.Status),
        Status = problem.Status,
        Detail = problem.Message,
        Code = problem.Code,
        Hint = problem.Hint,
        Errors = problem.Errors,
        TraceId = http.TraceIdentifier,
    };
}

internal static partial class DoorLog
{
    [LoggerMessage(EventId = 300, Level = LogLevel.Error, Message = "{Method} {Path} failed (trace {Trace})")]
    internal static partial void Failed(ILogger logger, string method, string path, string trace, Exception problem);

    [LoggerMessage(EventId = 301, Level = LogLevel.Warning, Message = "Uploads of pod {Pod} could not be looked through")]
    internal static partial void SweepFailed(ILogger logger, string pod, Exception problem);

    [LoggerMessage(EventId = 302, Level = LogLevel.Warning, Message = "The events of operation {Operation} could not be read; they are read again")]
    internal static partial void FeedFailed(ILogger logger, string operation, Exception problem);

    [LoggerMessage(EventId = 303, Level = LogLevel.Warning, Message = "Resting uploads were not looked for, because the pods cannot be listed; it is tried again")]
    internal static partial void SweepPutOff(ILogger logger, Exception problem);
}
