using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace Orleans.ImageMgmt.Tidy.Tests;

/// <summary>A C# file of the tree, parsed once.</summary>
internal sealed record SourceFile(string Path, string Text, SyntaxNode Root)
{
    public bool IsTest => Path.StartsWith("tests/", StringComparison.Ordinal);

    public string Name => System.IO.Path.GetFileName(Path);

    public IEnumerable<T> All<T>() where T : SyntaxNode => Root.DescendantNodes().OfType<T>();

    public string At(SyntaxNode node) => $"{Path}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}";
}

/// <summary>The source tree as it lies on disk, found by walking up to the solution.</summary>
internal static class SourceTree
{
    public const string Solution = "Orleans.ImageMgmt.sln";

    private static readonly string[] Folders = ["src", "tests"];
    private static readonly Lazy<IReadOnlyList<SourceFile>> Parsed = new(Parse);

    public static string Root { get; } = FindRoot();

    /// <summary>Every C# file under src and tests; build outputs are elsewhere.</summary>
    public static IReadOnlyList<SourceFile> Files => Parsed.Value;

    public static IEnumerable<SourceFile> Product => Files.Where(file => !file.IsTest);

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    /// <summary>Paths under src and tests, relative to the root, in order.</summary>
    public static IReadOnlyList<string> Find(string pattern) =>
    [
        .. Folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>Fails with all findings at once, so that one run shows everything there is to mend.</summary>
    public static void AssertNone(IEnumerable<string> findings)
    {
        var all = findings.ToList();
        Assert.True(all.Count == 0, string.Join('\n', all.Prepend($"{all.Count} to mend:")));
    }

    private static List<SourceFile> Parse() => [.. Find("*.cs").Select(path =>
    {
        var text = Read(path);
        return new SourceFile(path, text, CSharpSyntaxTree.ParseText(text).GetRoot());
    })];

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Solution)))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no folder above {AppContext.BaseDirectory} holds {Solution}");
    }
}
