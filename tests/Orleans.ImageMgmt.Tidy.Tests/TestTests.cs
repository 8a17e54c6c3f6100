using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Orleans.ImageMgmt.Tidy.Tests;

/// <summary>Goal: a test can fail, is never skipped, and its name is a sentence.</summary>
public sealed class TestTests
{
    [Fact]
    public void Every_test_asserts_something()
    {
        var asserting = AssertingMethods();
        SourceTree.AssertNone(
            from test in Tests()
            where !Asserts(test.Method, asserting)
            select $"{test.File.At(test.Method)} {test.Method.Identifier.Text} asserts nothing: it cannot fail");
    }

    [Fact]
    public void No_test_is_skipped()
    {
        var byAttribute = from test in Tests()
                          from attribute in test.Method.AttributeLists.SelectMany(list => list.Attributes)
                          from argument in attribute.ArgumentList?.Arguments ?? default
                          where argument.NameEquals?.Name.Identifier.Text is "Skip" or "SkipWhen" or "SkipUnless" or "Explicit"
                          select $"{test.File.At(attribute)} {attribute}";
        var byCall = from file in SourceTree.Files
                     from call in file.All<InvocationExpressionSyntax>()
                     where call.Expression.ToString() is "Assert.Skip" or "Assert.SkipWhen" or "Assert.SkipUnless"
                     select $"{file.At(call)} {call}";
        SourceTree.AssertNone(byAttribute.Concat(byCall));
    }

    [Fact]
    public void Test_names_are_sentences()
    {
        SourceTree.AssertNone(
            from test in Tests()
            let name = test.Method.Identifier.Text
            where !name.Contains('_', StringComparison.Ordinal) || !char.IsUpper(name[0])
            select $"{test.File.At(test.Method)} {name}: write a sentence with underscores");
    }

    [Fact]
    public void Every_test_project_has_the_ending_by_which_it_is_found()
    {
        Assert.NotEmpty(Tests());
        SourceTree.AssertNone(
            from test in Tests()
            let project = test.File.Path.Split('/')[1]
            where !project.EndsWith(".Tests", StringComparison.Ordinal) && !project.EndsWith(".Conformance", StringComparison.Ordinal)
            select $"{test.File.At(test.Method)} is not in a project named *.Tests: tests/run.sh would not run it");
    }

    private static IEnumerable<(SourceFile File, MethodDeclarationSyntax Method)> Tests() =>
        from file in SourceTree.Files
        from method in file.All<MethodDeclarationSyntax>()
        where method.AttributeLists.SelectMany(list => list.Attributes).Any(attribute => attribute.Name.ToString() is "Fact" or "Theory")
        select (file, method);

    /// <summary>Names of methods under tests that assert, directly or through each other. By name only: good enough to catch a test that forgot.</summary>
    private static HashSet<string> AssertingMethods()
    {
        var methods = SourceTree.Files.Where(file => file.IsTest).SelectMany(file => file.All<MethodDeclarationSyntax>()).ToList();
        var found = new HashSet<string>(StringComparer.Ordinal);
        int before;
        do
        {
            before = found.Count;
            found.UnionWith(methods.Where(method => Asserts(method, found)).Select(method => method.Identifier.Text));
        }
        while (found.Count > before);

        return found;
    }

    private static bool Asserts(MethodDeclarationSyntax method, HashSet<string> asserting) => method.DescendantNodes().Any(node =>
        node is IdentifierNameSyntax { Identifier.Text: "Assert" }
        || (node is InvocationExpressionSyntax call && (asserting.Contains(CodeTests.Called(call)) || IsProperty(call))));

    /// <summary>CsCheck's own loop fails by itself when the property does not hold.</summary>
    private static bool IsProperty(InvocationExpressionSyntax call) => CodeTests.Called(call) is "Sample" or "SampleAsync" or "SampleModelBased";
}
