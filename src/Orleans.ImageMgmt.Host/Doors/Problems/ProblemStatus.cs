using Microsoft.AspNetCore.Http;

namespace Orleans.ImageMgmt.Host;

/// <summary>Which HTTP status a code has. One table, so that the same refusal never has two.</summary>
internal static class ProblemStatus
{
    /// <summary>The thing is not as the request needs it: the request may work later.</summary>
    private const int Conflict = StatusCodes.Status409Conflict;

    private const int Unprocessable = StatusCodes.Status422UnprocessableEntity;

    private static readonly Dictionary<string, int> Table = new(StringComparer.Ordinal)
    {
        ["copy.deleting"] = Conflict,
        ["copy.loss-untold"] = Conflict,
        ["copy.not-available"] = Conflict,
        ["copy.not-final"] = Conflict,
        ["copy.not-removed"] = Conflict,
        ["copy.not-served"] = Conflict,
        ["copy.other-content"] = Conflict,
        ["copy.stale-generation"] = Conflict,
        ["copy.too-many-operations"] = StatusCodes.Status429TooManyRequests,
        ["copy.unknown"] = StatusCodes.Status404NotFound,
        ["copy.verifying"] = Conflict,
        ["image.busy"] = Conflict,
        ["image.deleting"] = Conflict,
        ["image.family-mismatch"] = Unprocessable,
        ["image.too-many-versions"] = Conflict,
        ["image.unknown"] = StatusCodes.Status404NotFound,
        ["limit.operations"] = StatusCodes.Status429TooManyRequests,
        ["list.bad-limit"] = Unprocessable,
        ["operation.id-in-use"] = Conflict,
        ["operation.not-now"] = Conflict,
        ["operation.target-not-failed"] = Conflict,
        ["operation.unknown"] = StatusCodes.Status404NotFound,
        ["pod.busy"] = Conflict,
        ["pod.disconnected"] = Conflict,
        ["pod.draining"] = Conflict,
        ["pod.family-changed"] = Conflict,
        ["pod.invalid"] = Unprocessable,
        ["pod.not-connected"] = Conflict,
        ["pod.queue-full"] = StatusCodes.Status429TooManyRequests,
        ["pod.takes-no-uploads"] = Conflict,
        ["pod.unknown"] = StatusCodes.Status404NotFound,
        ["pod.wrong-name"] = Unprocessable,
        ["precondition.failed"] = StatusCodes.Status412PreconditionFailed,
        ["publish.bad-targets"] = Unprocessable,
        ["publish.no-targets"] = Conflict,
        ["publish.pods-and-labels"] = Unprocessable,
        ["publish.superseded"] = Conflict,
        ["publish.wrong-family"] = Conflict,
        ["receive.no-room"] = Conflict,
        ["token.exists"] = Conflict,
        ["token.expires-in-the-past"] = Unprocessable,
        ["token.last-administrator"] = Conflict,
        ["token.too-many"] = Conflict,
        ["token.unknown"] = StatusCodes.Status404NotFound,
        ["upload.bad-name"] = Unprocessable,
        ["upload.busy"] = StatusCodes.Status429TooManyRequests,
        ["upload.name-taken"] = Conflict,
        ["upload.no-room"] = StatusCodes.Status507InsufficientStorage,
        ["upload.storage"] = StatusCodes.Status502BadGateway,
        ["upload.too-long"] = Unprocessable,
        ["upload.too-many"] = StatusCodes.Status429TooManyRequests,
        ["upload.unknown"] = StatusCodes.Status404NotFound,
        ["upload.wrong-digest"] = Unprocessable,
        ["upload.wrong-offset"] = Conflict,
        ["version.busy"] = Conflict,
        ["version.description-too-long"] = Unprocessable,
        ["version.exists"] = Conflict,
        ["version.not-disableable"] = Conflict,
        ["version.not-numbered"] = Unprocessable,
        ["version.not-publishable"] = Conflict,
        ["version.too-many-publishes"] = StatusCodes.Status429TooManyRequests,
        ["version.unknown"] = StatusCodes.Status404NotFound,
        ["version.unknown-parent"] = Unprocessable,
    };

    public static IReadOnlyCollection<string> Codes => Table.Keys;

    /// <summary>A pod that did not play along is no fault of the request: 502, or 504 where it was too slow.</summary>
    public static int Of(string code) => Table.TryGetValue(code, out var status)
        ? status
        : code.EndsWith(".timed-out", StringComparison.Ordinal) ? StatusCodes.Status504GatewayTimeout : StatusCodes.Status502BadGateway;
}
