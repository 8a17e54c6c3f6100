using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>A refusal of upkeep as a problem document (RFC 9457).</summary>
internal static class UpkeepProblem
{
    public static IResult Of(int status, string title, Refusal refusal) => Results.Problem(
        detail: refusal.Message,
        statusCode: status,
        title: title,
        type: Problem.TypePrefix + refusal.Code,
        extensions: new Dictionary<string, object?> { ["code"] = refusal.Code, ["hint"] = refusal.Hint });
}
