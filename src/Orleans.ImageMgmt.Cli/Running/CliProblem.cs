namespace Orleans.ImageMgmt.Cli;

/// <summary>Why a command ends: one sentence, what to do next, a stable code, and the exit code. Everything that can be foreseen ends as one of these.</summary>
internal sealed class CliProblem(int exitCode, string sentence, string? hint = null, string? code = null, Exception? inner = null) : Exception(sentence, inner)
{
    public int ExitCode { get; } = exitCode;

    public string? Hint { get; } = hint;

    /// <summary>The server's code, such as <c>version.not-publishable</c>.</summary>
    public string? Code { get; } = code;

    /// <summary>Everything that is wrong with the request, one line each.</summary>
    public IReadOnlyList<string> Faults { get; init; } = [];

    /// <summary>By which the server's log finds the request.</summary>
    public string? TraceId { get; init; }

    public static CliProblem Usage(string sentence, string? hint = null) => new(ExitCodes.Usage, sentence, hint);

    /// <summary>How it is shown: the sentence, then indented lines of what belongs to it.</summary>
    public IEnumerable<string> Lines()
    {
        yield return $"imgctl: {Plain.Line(Message)}";
        foreach (var fault in Faults)
        {
            yield return $"  - {Plain.Line(fault)}";
        }

        if (!string.IsNullOrWhiteSpace(Hint))
        {
            yield return $"  hint: {Plain.Line(Hint)}";
        }

        if (!string.IsNullOrWhiteSpace(Code))
        {
            yield return $"  code: {Plain.Line(Code)}";
        }
    }
}
