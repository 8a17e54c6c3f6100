using System.Text.Json;
using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Cli;

/// <summary>One server that a person works with.</summary>
internal sealed record ServerContext
{
    /// <summary>Where it is, such as <c>https://imgmt.example.com</c>.</summary>
    public required string Url { get; init; }

    /// <summary>The token, kept here; or <see cref="TokenFile"/>.</summary>
    public string? Token { get; init; }

    /// <summary>The file that holds the token, read at every use.</summary>
    public string? TokenFile { get; init; }

    /// <summary>PEM file of the authority that signed the server's certificate; absent: the system's.</summary>
    public string? CaFile { get; init; }
}

/// <summary>
/// The contexts of one person: <c>$XDG_CONFIG_HOME/imgctl/config.json</c>. It may hold tokens, so it is written for its owner alone, and a file that
/// others can read is not used.
/// </summary>
internal sealed record ContextFile
{
    private const int SizeLimit = 1 << 20;
    private const int ContextLimit = 256;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        WriteIndented = true,
    };

    /// <summary>The context that is used when none is named.</summary>
    public string? Current { get; init; }

    public SortedDictionary<string, ServerContext> Contexts { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Reads the file; one that is not there has no contexts.</summary>
    /// <exception cref="CliProblem">It cannot be used; the sentence says why and what to do.</exception>
    public static ContextFile Read(string path)
    {
        try
        {
            if (!File.Exists(path))
            {
                return new ContextFile();
            }

            if ((File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute)) != 0)
            {
                throw CliProblem.Usage($"The file {path} may hold tokens and can be read or changed by other users.", $"chmod 600 {path}");
            }

            if (new FileInfo(path).Length > SizeLimit)
            {
                throw CliProblem.Usage($"The file {path} is larger than {SizeLimit >> 20} MiB: that is no list of contexts.");
            }

            var read = JsonSerializer.Deserialize<ContextFile>(File.ReadAllBytes(path), Json);
            return read?.Contexts is null ? throw CliProblem.Usage($"The file {path} is empty.", "Remove it, then add contexts with: imgctl context set NAME --server URL")
                : read.Contexts.FirstOrDefault(context => context.Value is null).Key is { } hollow ? throw CliProblem.Usage($"The file {path} says nothing of context '{hollow}'.", "Correct it, or remove that context from it.")
                : read;
        }
        catch (JsonException problem)
        {
            throw new CliProblem(ExitCodes.Usage, $"The file {path} cannot be read: line {problem.LineNumber + 1}: {FirstSentence(problem.Message)}",
                "Correct it, or remove it and add contexts with: imgctl context set NAME --server URL", inner: problem);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new CliProblem(ExitCodes.Usage, $"The file {path} cannot be read: {problem.Message}", inner: problem);
        }
    }

    /// <summary>Writes the whole file under a temporary name and renames it, so that nobody ever reads half of it.</summary>
    public void Write(string path)
    {
        if (Contexts.Count > ContextLimit)
        {
            throw CliProblem.Usage($"There are already {ContextLimit} contexts.", "Remove one with: imgctl context remove NAME");
        }

        var folder = Path.GetDirectoryName(path)!;
        var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Environment.ProcessId}");
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            PrivateFile.Write(temporary, JsonSerializer.SerializeToUtf8Bytes(this, Json), mustBeNew: false);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(temporary))
            {
                File.Delete(temporary); // it may hold tokens
            }

            throw new CliProblem(ExitCodes.Failed, $"The file {path} cannot be written: {problem.Message}", inner: problem);
        }
    }

    private static string FirstSentence(string message) => message.Split(". Path:", 2)[0].TrimEnd('.') + ".";
}
