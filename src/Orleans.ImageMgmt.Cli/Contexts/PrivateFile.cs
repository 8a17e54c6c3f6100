using System.Text;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Files that only their owner may read.</summary>
internal static class PrivateFile
{
    /// <summary>Longest line that is taken for a token.</summary>
    private const int TokenLimit = 4096;

    public static void Write(string path, ReadOnlySpan<byte> content, bool mustBeNew)
    {
        using var file = Create(path, mustBeNew);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    public static FileStream Create(string path, bool mustBeNew) => new(path, new FileStreamOptions
    {
        Mode = mustBeNew ? FileMode.CreateNew : FileMode.Create,
        Access = FileAccess.Write,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    /// <summary>The token in a file: its first line.</summary>
    public static string ReadToken(string path)
    {
        try
        {
            using var file = new StreamReader(path);
            return TokenFrom(file, $"The token file {path}");
        }
        catch (Exception problem) when (problem is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CliProblem(ExitCodes.NotFound, $"The token file {path} does not exist.", inner: problem);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new CliProblem(ExitCodes.NotAllowed, $"The token file {path} cannot be read: {problem.Message}", "Run imgctl as the user that the file belongs to, or use a token of your own.", inner: problem);
        }
    }

    /// <summary>Reads one line; text that cannot be a token is refused before it goes into a header.</summary>
    public static string TokenFrom(TextReader reader, string whose)
    {
        // Not to the end of the text: a person at a terminal ends a line, not the input.
        var line = new StringBuilder();
        for (int next; line.Length <= TokenLimit && (next = reader.Read()) >= 0 && next != '\n';)
        {
            line.Append((char)next);
        }

        var token = line.ToString().Trim();
        return token.Length is > 0 and <= TokenLimit && token.All(c => c is > ' ' and < '\x7f')
            ? token
            : throw CliProblem.Usage($"{whose} holds no token.", "It is one line of letters, digits and marks, as imgctl token create prints it.");
    }
}
