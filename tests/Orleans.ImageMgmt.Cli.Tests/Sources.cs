namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>The source tree that these tests were built from.</summary>
internal static class Sources
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        var at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "Orleans.ImageMgmt.sln")))
        {
            at = Path.GetDirectoryName(at) ?? throw new InvalidOperationException("The tests do not lie inside their source tree.");
        }

        return at;
    }
}
