using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Simulation;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: the stories of the product read right. Method: a text script drives the simulated world; the whole printed output is committed.</summary>
public sealed class ScenarioTests
{
    public static TheoryData<string> Stories() => [.. Directory.GetFiles(Folder(), "*.story.txt").Select(f => Path.GetFileName(f)[..^".story.txt".Length]).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Stories))]
    public void A_story_goes_as_it_is_told(string story) =>
        Golden.Check(story, Script.Run(File.ReadAllText(Path.Combine(Folder(), story + ".story.txt"))));

    [Fact]
    public void A_command_that_does_not_exist_is_refused_with_its_text() =>
        Assert.Contains("dance", Assert.Throws<NotSupportedException>(() => Script.Run("dance")).Message, StringComparison.Ordinal);

    private static string Folder([CallerFilePath] string caller = "") => Path.GetDirectoryName(caller)!;
}
