using System.Diagnostics;
using System.Globalization;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;

namespace Orleans.ImageMgmt.Benchmarks.Delta;

/// <summary>What one run cost. Bytes on the wire are null where nothing is sent as a delta.</summary>
/// <param name="Told">Of the bytes on the wire, those that say what there is: the manifest, and digests of blocks.</param>
internal sealed record DeltaCost(double Wall, double Cpu, long Memory, long? Wire, string? Output = null, (long Manifest, long Digests)? Told = null);

/// <summary>Runs a shell script in a process of its own, whose children's time and largest memory the system adds up.</summary>
internal static class ShellRun
{
    /// <summary>The child: <c>delta-shell SCRIPT</c>.</summary>
    public static int Child(string script)
    {
        var clock = Stopwatch.StartNew();
        using var shell = Process.Start("sh", ["-ec", script]);
        shell.WaitForExit();
        var wall = clock.Elapsed.TotalSeconds;
        var (cpu, memory) = Contender.OfChildren();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"result {wall} {cpu} {memory} {shell.ExitCode}"));
        return shell.ExitCode;
    }

    public static DeltaCost Run(string script)
    {
        var (words, output) = Own("delta-shell", script);
        return new DeltaCost(words[0], words[1], (long)words[2], null, output);
    }

    /// <summary>A child of this program that prints one line of results.</summary>
    public static (double[] Words, string Output) Own(params string[] words)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, words) { RedirectStandardOutput = true };
        using var child = Process.Start(start)!;
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        if (child.ExitCode != 0)
        {
            throw new InvalidOperationException($"Failed: {string.Join(' ', words)}\n{output}");
        }

        var line = output.Split('\n').Last(line => line.StartsWith("result ", StringComparison.Ordinal)).Split(' ');
        return ([.. line.Skip(1).Select(word => double.Parse(word, CultureInfo.InvariantCulture))], output);
    }
}
