using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Orleans.ImageMgmt.Tidy.Tests;

/// <summary>Goal: what STYLE.md says about code is true of all code. Method: look at the syntax, not at the text, so that strings and comments do not count.</summary>
public sealed partial class CodeTests
{
    private const string KeysFile = "GrainKeys.cs";

    private static readonly string[] BannedSuffixes =
        ["Manager", "Managers", "Helper", "Helpers", "Util", "Utils", "Utility", "Utilities", "Service", "Processor", "Info", "Data"];

    [Fact]
    public void Nothing_sleeps()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Files
            from call in file.All<InvocationExpressionSyntax>()
            where Sleeps(call)
            select $"{file.At(call)} {call}: wait for an event or a state, or take the delay from a TimeProvider");
    }

    [Theory]
    [InlineData("Thread.Sleep(5)", true)]
    [InlineData("System.Threading.Thread.Sleep(wait)", true)]
    [InlineData("Task.Delay(wait, cancel)", true)]
    [InlineData("Task.Delay(wait, time, cancel)", false)]
    [InlineData("Task.Delay(wait, TimeProvider.System)", false)]
    public void A_sleep_is_told_from_a_delay_on_a_clock(string code, bool sleeps)
    {
        Assert.Equal(sleeps, Sleeps((InvocationExpressionSyntax)SyntaxFactory.ParseExpression(code)));
    }

    [Fact]
    public void No_type_name_ends_in_a_word_that_says_nothing()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Files
            from type in file.All<BaseTypeDeclarationSyntax>()
            from suffix in BannedSuffixes
            where type.Identifier.Text.EndsWith(suffix, StringComparison.Ordinal)
            select $"{file.At(type)} {type.Identifier.Text}: say what it is instead of {suffix}");
    }

    [Fact]
    public void Nothing_is_left_for_later()
    {
        SourceTree.AssertNone(SourceTree.Files.SelectMany(file =>
        {
            var comments = file.Root.DescendantTrivia(descendIntoTrivia: true)
                .Where(trivia => LeftForLater().IsMatch(trivia.ToString()))
                .Select(trivia => $"{file.Path}:{trivia.GetLocation().GetLineSpan().StartLinePosition.Line + 1} {trivia.ToString().Trim()}");
            var stubs = file.All<IdentifierNameSyntax>()
                .Where(name => name.Identifier.Text == nameof(NotImplementedException) && name.Parent is ObjectCreationExpressionSyntax)
                .Select(name => $"{file.At(name)} {name}");
            return comments.Concat(stubs);
        }));
    }

    [Fact]
    public void Grain_keys_are_formatted_in_one_file()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Files
            where file.Name != KeysFile
            from call in file.All<InvocationExpressionSyntax>()
            where Called(call) == "GetGrain"
            from argument in call.ArgumentList.Arguments
            where argument.DescendantNodes().Any(node => node is InterpolatedStringExpressionSyntax || node.IsKind(SyntaxKind.AddExpression))
                || (!file.IsTest && argument.Expression.IsKind(SyntaxKind.StringLiteralExpression))
            select $"{file.At(call)} makes a grain key from text: add it to {KeysFile}");
    }

    [Fact]
    public void Every_alias_is_a_constant_of_the_one_list_and_names_one_type()
    {
        var uses = (from file in SourceTree.Files
                    from attribute in file.All<AttributeSyntax>()
                    where attribute.Name.ToString() is "Alias" or "Orleans.Alias"
                    let argument = attribute.ArgumentList?.Arguments.FirstOrDefault()?.Expression
                    select (file, attribute, argument)).ToList();

        SourceTree.AssertNone(uses
            .Where(use => !use.argument!.ToString().StartsWith("Aliases.", StringComparison.Ordinal) && !IsNameOf(use.argument) && !IsOwnName(use.attribute, use.argument))
            .Select(use => $"{use.file.At(use.attribute)} {use.attribute}: take the alias from Aliases"));
        SourceTree.AssertNone(uses
            .Where(use => use.attribute.Parent?.Parent is BaseTypeDeclarationSyntax)
            .GroupBy(use => use.argument!.ToString(), StringComparer.Ordinal)
            .Where(same => same.Count() > 1)
            .Select(same => $"{same.Key} is the alias of {same.Count()} types: {string.Join(", ", same.Select(use => use.file.At(use.attribute)))}"));
    }

    /// <summary>A method's alias counts inside its interface only: it is the method's name, without the ending that says it is awaited.
    /// A grain of the tests has the tests' own prefix.</summary>
    private static bool IsOwnName(AttributeSyntax attribute, ExpressionSyntax alias) => alias is LiteralExpressionSyntax { Token.ValueText: var text }
        && (text.StartsWith("im.test.", StringComparison.Ordinal)
            || (attribute.Parent?.Parent is MethodDeclarationSyntax method && (text == method.Identifier.Text || $"{text}Async" == method.Identifier.Text)));

    [Fact]
    public void Alias_values_are_unique_and_carry_our_prefix()
    {
        var values = (from file in SourceTree.Product
                      from type in file.All<ClassDeclarationSyntax>()
                      where type.Identifier.Text == "Aliases"
                      from field in type.Members.OfType<FieldDeclarationSyntax>()
                      from constant in field.Declaration.Variables
                      select ((LiteralExpressionSyntax)constant.Initializer!.Value).Token.ValueText).ToList();

        Assert.NotEmpty(values);
        Assert.All(values, value => Assert.StartsWith("im.", value, StringComparison.Ordinal));
        SourceTree.AssertNone(values.GroupBy(value => value, StringComparer.Ordinal).Where(same => same.Count() > 1).Select(same => $"alias {same.Key} is given {same.Count()} times"));
    }

    [Fact]
    public void Every_serialized_type_has_an_alias()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Files
            from type in file.All<BaseTypeDeclarationSyntax>()
            let attributes = type.AttributeLists.SelectMany(list => list.Attributes).Select(attribute => attribute.Name.ToString()).ToList()
            where attributes.Contains("GenerateSerializer") && !attributes.Contains("Alias")
            select $"{file.At(type)} {type.Identifier.Text} has no alias: without one its wire name is its C# name, which will change");
    }

    internal static string Called(InvocationExpressionSyntax call) => call.Expression switch
    {
        MemberAccessExpressionSyntax member => member.Name.Identifier.Text,
        SimpleNameSyntax name => name.Identifier.Text,
        MemberBindingExpressionSyntax binding => binding.Name.Identifier.Text,
        _ => "",
    };

    private static bool IsNameOf(ExpressionSyntax expression) => expression is InvocationExpressionSyntax call && Called(call) == "nameof";

    private static bool Sleeps(InvocationExpressionSyntax call)
    {
        var callee = call.Expression.ToString();
        var arguments = call.ArgumentList.Arguments;
        return callee is "Thread.Sleep" or "System.Threading.Thread.Sleep"
            || (callee is "Task.Delay" or "System.Threading.Tasks.Task.Delay" && (arguments.Count < 2 || !ClockName().IsMatch(arguments[1].ToString())));
    }

    [GeneratedRegex("(?i)time|clock")]
    private static partial Regex ClockName();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b")]
    private static partial Regex LeftForLater();
}
