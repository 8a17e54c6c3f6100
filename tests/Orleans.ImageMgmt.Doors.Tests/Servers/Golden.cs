using System.Runtime.CompilerServices;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>Compares text with a committed <c>.golden.txt</c> beside the test. IMGMT_ACCEPT_GOLDEN=1 rewrites the file instead.</summary>
internal static class Golden
{
    private const string AcceptVariable = "IMGMT_ACCEPT_GOLDEN";
    private const int Shown = 30;

    internal static void Check(string name, string actual, [CallerFilePath] string caller = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(caller)!, name + ".golden.txt");
        if (Environment.GetEnvironmentVariable(AcceptVariable) == "1")
        {
            File.WriteAllText(path, actual);
            return;
        }

        Assert.True(File.Exists(path), $"{name}.golden.txt is missing. Read the output, then run again with {AcceptVariable}=1.");
        var (before, after) = (File.ReadAllText(path).Split('\n'), actual.Split('\n'));
        var lines = before.Except(after).Take(Shown).Select(l => "- " + l).Concat(after.Except(before).Take(Shown).Select(l => "+ " + l)).ToList();
        if (lines.Count > 0 || before.Length != after.Length)
        {
            Assert.Fail($"{name}.golden.txt differs. Read each line; if it is meant, run again with {AcceptVariable}=1.\n{string.Join('\n', lines)}");
        }
    }
}
