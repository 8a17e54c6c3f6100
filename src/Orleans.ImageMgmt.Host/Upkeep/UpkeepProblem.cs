using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>A refusal of upkeep as a problem document, in the same form as all others.</summary>
internal sealed class UpkeepProblem(int status, string title, Refusal refusal) : IResult
{
    public static UpkeepProblem Of(int status, string title, Refusal refusal) => new(status, title, refusal);

    public Task ExecuteAsync(HttpContext httpContext) => Answers.WriteAsync(httpContext, status, title, refusal);
}
