using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace Orleans.ImageMgmt.Tidy.Tests;

/// <summary>Goal: the documents do not rot. Links lead somewhere, names exist, and the two commands stand where a newcomer looks.</summary>
public sealed partial class DocumentTests
{
    private static readonly string[] Main = ["README.md", "ARCHITECTURE.md", "STYLE.md"];

    [Theory]
    [InlineData("## Run")]
    [InlineData("## Test")]
    public void The_README_has_the_heading_and_under_it_exactly_one_command(string heading)
    {
        var lines = SourceTree.Read("README.md").Split('\n');
        var at = Array.IndexOf(lines, heading);
        Assert.True(at >= 0, $"README.md has no line {heading}");

        var open = Array.FindIndex(lines, at, line => line.StartsWith("```", StringComparison.Ordinal));
        Assert.True(open > at, $"{heading} is not followed by a fenced block");
        Assert.DoesNotContain(lines[(at + 1)..open], line => line.StartsWith('#'));
        var close = Array.FindIndex(lines, open + 1, line => line.StartsWith("```", StringComparison.Ordinal));
        Assert.True(close > open, $"the block under {heading} is not closed");
        Assert.False(string.IsNullOrWhiteSpace(Assert.Single(lines[(open + 1)..close])));
    }

    [Fact]
    public void The_test_command_is_what_CI_runs()
    {
        const string command = "bash tests/run.sh";
        Assert.Contains($"\n{command}\n", SourceTree.Read("README.md"), StringComparison.Ordinal);
        Assert.EndsWith($"exec {command}\n", SourceTree.Read(".ci/run"), StringComparison.Ordinal);
    }

    [Fact]
    public void Relative_links_lead_to_something()
    {
        SourceTree.AssertNone(
            from document in Documents()
            from Match link in Link().Matches(WithoutBlocks(SourceTree.Read(document)))
            let target = link.Groups[1].Value
            where !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith('#') && !target.StartsWith("mailto:", StringComparison.Ordinal)
            let path = Path.Combine(Path.GetDirectoryName(document)!, target.Split('#')[0])
            where !SourceTree.Exists(path)
            select $"{document} links to {target}, which is not there");
    }

    [Fact]
    public void A_type_that_a_document_names_exists()
    {
        var known = SourceTree.Files.SelectMany(file => file.Root.DescendantTokens())
            .Where(token => token.IsKind(SyntaxKind.IdentifierToken)).Select(token => token.ValueText).ToHashSet(StringComparer.Ordinal);
        SourceTree.AssertNone(
            from document in Documents()
            from Match name in TypeName().Matches(WithoutBlocks(SourceTree.Read(document)))
            where !known.Contains(name.Groups[1].Value) && typeof(object).Assembly.GetType($"System.{name.Groups[1].Value}") is null
            select $"{document} names `{name.Groups[1].Value}`, which no source file knows");
    }

    [Fact]
    public void The_main_documents_are_there()
    {
        Assert.All(Main, document => Assert.True(SourceTree.Exists(document), $"{document} is missing"));
    }

    private static IEnumerable<string> Documents() => Main.Where(SourceTree.Exists).Concat(SourceTree.Find("*.md"));

    /// <summary>What a program prints is not prose.</summary>
    private static string WithoutBlocks(string text) => Block().Replace(text, "");

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"\[[^\]]*\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    /// <summary>Two or more words run together, each with a capital: how our types are written.</summary>
    [GeneratedRegex(@"`(I?[A-Z][a-z]+(?:[A-Z][a-z0-9]+)+)`")]
    private static partial Regex TypeName();
}
