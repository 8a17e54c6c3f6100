using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary>One run's cost. Memory is that of one process above idle, in bytes; null where it was not taken.</summary>
internal sealed record Cost(double Wall, double Cpu, long? Memory);

/// <summary>Runs one way of making N copies.</summary>
internal static partial class Contender
{
    private const int RusageChildren = -1;

    /// <summary>Bytes that may still be in memory when it ends, and that nobody has looked at.</summary>
    public static Cost Copy(string source, string folder, int targets) =>
        Shell($"for i in $(seq {targets}); do cp --sparse=auto '{source}' '{folder}'/cp-$i & done; wait");

    public static Cost CopyAndSync(string source, string folder, int targets) =>
        Shell($"for i in $(seq {targets}); do cp --sparse=auto '{source}' '{folder}'/cp-$i & done; wait; sync -f '{folder}'");

    public static Cost CopyAndHash(string source, string folder, int targets) =>
        Shell($"for i in $(seq {targets}); do (cp --sparse=auto '{source}' '{folder}'/cp-$i && openssl dgst -sha256 '{folder}'/cp-$i >/dev/null) & done; wait");

    /// <summary>What the disk alone takes: the same bytes out past the page cache, made durable, and back past it; nothing is hashed. No verified copy can be much faster.</summary>
    public static Cost OutAndBack(string source, string folder, int targets) =>
        Shell($"for i in $(seq {targets}); do (dd if='{source}' of='{folder}'/dd-$i bs=2M oflag=direct conv=sparse,fdatasync status=none && dd if='{folder}'/dd-$i of=/dev/null bs=2M iflag=direct status=none) & done; wait");

    public static Cost Ours(string sealedPath, string manifestPath, string folder, int targets, string readBack, bool verbose)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        foreach (var word in (string[])["first-copy-child", "--sealed", sealedPath, "--manifest", manifestPath, "--folder", folder, "--targets", $"{targets}", "--read-back", readBack, verbose ? "--verbose" : "--quiet"])
        {
            start.ArgumentList.Add(word);
        }

        using var child = Process.Start(start)!;
        var line = child.StandardOutput.ReadToEnd().Split('\n').First(line => line.StartsWith("result ", StringComparison.Ordinal)).Split(' ');
        child.WaitForExit();
        return new Cost(double.Parse(line[1], CultureInfo.InvariantCulture), double.Parse(line[2], CultureInfo.InvariantCulture), long.Parse(line[3], CultureInfo.InvariantCulture));
    }

    /// <summary>Nobody inherits the dirty pages of the one before.</summary>
    public static void Drop(string folder) => Shell($"rm -rf '{folder}'/*; sync");

    public static Cost Shell(string script)
    {
        var before = ChildCpu();
        var clock = Stopwatch.StartNew();
        using var shell = Process.Start("sh", ["-c", script]);
        shell.WaitForExit();
        var wall = clock.Elapsed.TotalSeconds;
        return shell.ExitCode == 0 ? new Cost(wall, ChildCpu() - before, null) : throw new InvalidOperationException($"Failed: {script}");
    }

    /// <summary>Processor seconds of all ended children, and the bytes of the largest.</summary>
    public static (double Cpu, long Memory) OfChildren()
    {
        _ = GetUsage(RusageChildren, out var usage);
        return (ChildCpu(), usage.LargestKilobytes * 1024);
    }

    private static double ChildCpu()
    {
        _ = GetUsage(RusageChildren, out var usage);
        return usage.UserSeconds + usage.SystemSeconds + ((usage.UserMicroseconds + usage.SystemMicroseconds) / 1e6);
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetUsage(int who, out Usage usage);

    /// <summary><c>struct rusage</c>: the two times, the largest memory, and room for the rest.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 144)]
    private struct Usage
    {
        public long UserSeconds;
        public long UserMicroseconds;
        public long SystemSeconds;
        public long SystemMicroseconds;
        public long LargestKilobytes;
    }
}
