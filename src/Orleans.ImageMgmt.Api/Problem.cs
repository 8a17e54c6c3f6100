using System.Net;

namespace Orleans.ImageMgmt.Api;

/// <summary>Why a request was not carried out (RFC 9457, <c>application/problem+json</c>).</summary>
public sealed record Problem
{
    /// <summary>Media type of a problem document.</summary>
    public const string MediaType = "application/problem+json";

    /// <summary>Every problem type is this and the code.</summary>
    public const string TypePrefix = "urn:imgmt:problem:";

    /// <summary>The problem's type: <c>urn:imgmt:problem:</c> and the code.</summary>
    public required string Type { get; init; }

    /// <summary>The kind of problem in a few words.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What was refused and why, in one sentence.</summary>
    public string? Detail { get; init; }

    /// <summary>Stable word for programs, such as <c>version.not-publishable</c>.</summary>
    public required string Code { get; init; }

    /// <summary>What to do next, in one sentence.</summary>
    public string? Hint { get; init; }

    /// <summary>Every fault of the request at once, where there are several.</summary>
    public IReadOnlyList<FieldFault>? Errors { get; init; }

    /// <summary>Finds this request in the server's log.</summary>
    public string? TraceId { get; init; }
}

/// <summary>One fault of one field of a request.</summary>
public sealed record FieldFault
{
    /// <summary>Where: a path in the body such as <c>labels.site</c>, or the name of a query parameter, header or part of the path.</summary>
    public required string Field { get; init; }

    /// <summary>Stable word, such as <c>field.unknown</c>.</summary>
    public required string Code { get; init; }

    /// <summary>What is wrong with it, in one sentence.</summary>
    public required string Message { get; init; }
}

/// <summary>The server refused a request, or could not carry it out.</summary>
public sealed class ProblemException(Problem problem, HttpStatusCode statusCode, TimeSpan? retryAfter = null)
    : Exception(Sentence(problem))
{
    /// <summary>The problem document as it came.</summary>
    public Problem Problem { get; } = problem;

    /// <summary>The HTTP status.</summary>
    public HttpStatusCode StatusCode { get; } = statusCode;

    /// <summary>When to try again, where the server said so.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>Stable word for programs.</summary>
    public string Code => Problem.Code;

    /// <summary>What to do next.</summary>
    public string? Hint => Problem.Hint;

    /// <summary>Every fault of the request.</summary>
    public IReadOnlyList<FieldFault> Errors => Problem.Errors ?? [];

    private static string Sentence(Problem problem) => problem.Detail ?? problem.Title;
}
