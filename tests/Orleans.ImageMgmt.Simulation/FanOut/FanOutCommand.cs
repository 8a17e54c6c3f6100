using System.Diagnostics;
using System.Globalization;

namespace Orleans.ImageMgmt.Simulation;

/// <summary><c>fan-out [--pods 8,100,1000,10000] [--pieces 256] [--slow 10%] [--dying 0%] [--site 0] [--seed 1]</c>: prints a table.</summary>
internal static class FanOutCommand
{
    public static int Run(string[] args)
    {
        var pods = Text(args, "--pods", "8,100,1000,10000").Split(',').Select(n => int.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        var pieces = int.Parse(Text(args, "--pieces", "256"), CultureInfo.InvariantCulture);
        var seed = ulong.Parse(Text(args, "--seed", "1"), CultureInfo.InvariantCulture);
        var site = int.Parse(Text(args, "--site", "0"), CultureInfo.InvariantCulture);
        Console.WriteLine($"Image in {pieces} pieces, equal links both ways, {Text(args, "--slow", "0%")} of the pods give at a tenth, {Text(args, "--dying", "0%")} die half-way, seed {seed}, {(site == 0 ? "no labels" : $"{site} pods a site")}.");
        Console.WriteLine("Time is that of the last pod, as a ratio to the bound max(M/us, N·M/(us+Σu)).");
        Console.WriteLine();
        Console.WriteLine("| pods | plan | time / bound | images from the source | from the same site | seconds to simulate |");
        Console.WriteLine("|---|---|---|---|---|---|");
        foreach (var n in pods)
        {
            var watch = Stopwatch.StartNew();
            var result = FanOutWorld.Run(new FanOutOptions(n, pieces, seed) { Slow = Percent(args, "--slow"), Dying = Percent(args, "--dying"), PodsPerSite = site });
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {n} | swarm | {result.Ratio:0.000} | {result.SourceImages:0.00} | {result.NearBytes:0%} | {watch.Elapsed.TotalSeconds:0.0} |"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {n} | star | {n * (double)pieces / result.Bound:0.000} | {n:0.00} | | |"));
        }

        return 0;
    }

    private static double Percent(string[] args, string name) => double.Parse(Text(args, name, "0%").TrimEnd('%'), CultureInfo.InvariantCulture) / 100;

    private static string Text(string[] args, string name, string otherwise)
    {
        var at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : otherwise;
    }
}
