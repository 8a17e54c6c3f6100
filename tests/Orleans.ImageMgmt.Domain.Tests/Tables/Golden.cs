using System.Runtime.CompilerServices;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Compares text with a committed <c>.golden.txt</c> beside the test. IMGMT_ACCEPT_GOLDEN=1 rewrites the file instead.</summary>
internal static class Golden
{
    internal const string AcceptVariable = "IMGMT_ACCEPT_GOLDEN";

    internal static void Check(string name, string actual, [CallerFilePath] string caller = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(caller)!, name + ".golden.txt");
        if (Environment.GetEnvironmentVariable(AcceptVariable) == "1")
        {
            File.WriteAllText(path, actual);
            return;
        }

        Assert.True(File.Exists(path), $"{name}.golden.txt is missing. Read the output, then run again with {AcceptVariable}=1.");
        var expected = File.ReadAllText(path);
        if (expected != actual)
        {
            Assert.Fail($"{name}.golden.txt differs. Read each line; if it is meant, run again with {AcceptVariable}=1.\n{FirstDifferences(expected, actual)}");
        }
    }

    private static string FirstDifferences(string expected, string actual)
    {
        const int shown = 12;
        var before = expected.Split('\n');
        var after = actual.Split('\n');
        var lines = before.Except(after).Take(shown).Select(l => "- " + l).Concat(after.Except(before).Take(shown).Select(l => "+ " + l));
        return string.Join('\n', lines);
    }
}
