using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Orleans.ImageMgmt.Tidy.Tests;

/// <summary>
/// Goal: a thought fits on a page. Files are at most 400 lines, methods at most 60. What is longer must stand in length-ratchet.txt
/// with its length, and that number may only fall.
/// </summary>
public sealed class LengthTests
{
    private const int LongestFile = 400;
    private const int LongestMethod = 60;
    private const string Ratchet = "tests/Orleans.ImageMgmt.Tidy.Tests/length-ratchet.txt";

    [Fact]
    public void Files_and_methods_are_short_or_as_long_as_the_ratchet_allows()
    {
        var allowed = Allowed();
        SourceTree.AssertNone(TooLong()
            .Where(entry => entry.Lines > allowed.GetValueOrDefault(entry.Name))
            .Select(entry => $"{entry.Name} has {entry.Lines} lines, {entry.Limit} are allowed: split it by thought, not by line"));
    }

    [Fact]
    public void The_ratchet_only_falls()
    {
        var now = TooLong().ToDictionary(entry => entry.Name, entry => entry.Lines, StringComparer.Ordinal);
        SourceTree.AssertNone(Allowed()
            .Where(entry => now.GetValueOrDefault(entry.Key) < entry.Value)
            .Select(entry => $"{entry.Key} has become shorter than {entry.Value}: lower or remove its line in {Ratchet}"));
    }

    [Fact]
    public void A_method_of_sixty_one_lines_is_found()
    {
        var body = string.Concat(Enumerable.Repeat("\n  _ = 1;", LongestMethod - 2));
        var fits = new SourceFile("a.cs", "", Microsoft.CodeAnalysis.CSharp.CSharpSyntaxTree.ParseText($"class A\n{{\n [X]\n void B()\n {{{body} }}\n}}").GetRoot());
        var tooLong = new SourceFile("a.cs", "", Microsoft.CodeAnalysis.CSharp.CSharpSyntaxTree.ParseText($"class A\n{{\n void B()\n {{{body}\n;\n }}\n}}").GetRoot());

        Assert.DoesNotContain(Methods(fits), method => method.Lines > LongestMethod);
        Assert.Equal("a.cs A.B", Assert.Single(Methods(tooLong), method => method.Lines > LongestMethod).Name);
    }

    private static IEnumerable<(string Name, int Lines, int Limit)> TooLong() => SourceTree.Files
        .SelectMany(file => Methods(file).Select(method => (method.Name, method.Lines, Limit: LongestMethod)).Prepend((file.Path, LinesOf(file.Text), LongestFile)))
        .Where(entry => entry.Item2 > entry.Item3)
        .GroupBy(entry => entry.Item1, StringComparer.Ordinal)
        .Select(overloads => overloads.MaxBy(entry => entry.Item2));

    private static int LinesOf(string text) => text.Count(c => c == '\n');

    private static IEnumerable<(string Name, int Lines)> Methods(SourceFile file)
    {
        foreach (var method in file.All<BaseMethodDeclarationSyntax>())
        {
            var name = method switch
            {
                MethodDeclarationSyntax ordinary => ordinary.Identifier,
                ConstructorDeclarationSyntax constructor => constructor.Identifier,
                DestructorDeclarationSyntax destructor => destructor.Identifier,
                _ => method.ParameterList.OpenParenToken,
            };
            var owner = method.FirstAncestorOrSelf<BaseTypeDeclarationSyntax>()?.Identifier.Text;
            yield return ($"{file.Path} {owner}.{name.Text}", Lines(name, method.GetLastToken()));
        }

        if (file.All<GlobalStatementSyntax>().ToList() is [var first, .., var last])
        {
            yield return ($"{file.Path} top-level", Lines(first.GetFirstToken(), last.GetLastToken()));
        }
    }

    private static int Lines(SyntaxToken first, SyntaxToken last) =>
        last.GetLocation().GetLineSpan().EndLinePosition.Line - first.GetLocation().GetLineSpan().StartLinePosition.Line + 1;

    /// <summary>Lines of the form <c>NUMBER NAME</c>; '#' begins a comment.</summary>
    private static Dictionary<string, int> Allowed() => SourceTree.Read(Ratchet)
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Where(line => line[0] != '#')
        .Select(line => line.Split(' ', 2))
        .ToDictionary(parts => parts[1], parts => int.Parse(parts[0], CultureInfo.InvariantCulture), StringComparer.Ordinal);
}
