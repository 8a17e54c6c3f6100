using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>A request that is not carried out; the middleware turns it into a problem document.</summary>
internal sealed class RequestProblem(int status, string code, string detail, string? hint = null, IReadOnlyList<FieldFault>? errors = null, int? retryAfterSeconds = null)
    : Exception(detail)
{
    /// <summary>Code of a request with faults in its fields.</summary>
    public const string Invalid = "request.invalid";

    /// <summary>Code of a request whose body is no JSON.</summary>
    public const string Malformed = "request.malformed";

    /// <summary>When to come back to something that is full: copies and publishes take seconds at least.</summary>
    private const int FullRetrySeconds = 5;

    public int Status => status;

    public string Code => code;

    public string? Hint => hint;

    public IReadOnlyList<FieldFault>? Errors => errors;

    public int? RetryAfterSeconds => retryAfterSeconds;

    public static RequestProblem Of(Refusal refusal) => ProblemStatus.Of(refusal.Code) is var status && status == StatusCodes.Status429TooManyRequests
        ? new(status, refusal.Code, refusal.Message, refusal.Hint, retryAfterSeconds: FullRetrySeconds)
        : new(status, refusal.Code, refusal.Message, refusal.Hint);

    public static RequestProblem Of(IReadOnlyList<FieldFault> faults) => new(StatusCodes.Status422UnprocessableEntity, Invalid,
        faults.Count == 1 ? $"{faults[0].Field}: {faults[0].Message}" : $"{faults.Count} fields of the request cannot be used.", "Correct the fields that errors names, and send the request again.", faults);

    public static RequestProblem Unknown(string what, string name) => new(StatusCodes.Status404NotFound, $"{what}.unknown", $"There is no {what} {name}.", $"List the {what}s to see which exist.");
}
