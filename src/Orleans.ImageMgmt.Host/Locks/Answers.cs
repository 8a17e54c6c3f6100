using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>How the locks say no: a problem document, always with a code and a next step.</summary>
internal static class Answers
{
    public static Problem Make(HttpContext context, int status, string title, Refusal refusal, IReadOnlyList<FieldFault>? errors = null) => new()
    {
        Type = Problem.TypePrefix + refusal.Code,
        Title = title,
        Status = status,
        Detail = refusal.Message,
        Code = refusal.Code,
        Hint = refusal.Hint,
        Errors = errors,
        TraceId = Activity.Current?.TraceId.ToHexString() ?? context.TraceIdentifier,
    };

    public static Task WriteAsync(HttpContext context, int status, string title, Refusal refusal, TimeSpan? retryAfter = null)
    {
        context.Response.StatusCode = status;
        if (retryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        return context.Response.WriteAsJsonAsync(Make(context, status, title, refusal), ImageMgmtJson.Options, Problem.MediaType, context.RequestAborted);
    }

    public static IResult Problem400(HttpContext context, string message, IReadOnlyList<FieldFault> errors) => Of(context, StatusCodes.Status400BadRequest,
        "The request has faults", new Refusal("request.invalid", message, "Correct what errors names and send it again."), errors);

    public static IResult Of(HttpContext context, int status, string title, Refusal refusal, IReadOnlyList<FieldFault>? errors = null) =>
        Results.Json(Make(context, status, title, refusal, errors), ImageMgmtJson.Options, Problem.MediaType, status);
}
