using System.Diagnostics;
using System.Globalization;
using Orleans.ImageMgmt.Simulation;

// --seeds N [--start N]: that many worlds; --seed N [--verbose]: one of them, line by line. The same seed is the same world.
// --plant BUG builds in one of the bugs of the enum Plant, to see it caught.
// fan-out [OPTIONS]: a publish to many pods, see FanOutCommand.
var seeds = Argument("--seeds", 300);
var start = Argument("--start", 1);
var one = Argument("--seed", 0);
var plant = Array.IndexOf(args, "--plant") is var p and >= 0 ? Enum.Parse<Plant>(args[p + 1], ignoreCase: true) : Plant.None;
var isVerbose = args.Contains("--verbose");
(start, seeds) = one > 0 ? (one, 1) : (start, seeds);
if (args is ["fan-out", .. var rest])
{
    return FanOutCommand.Run(rest);
}

const int sampleEvery = 25;
const int deadPodEvery = 5;
var watch = Stopwatch.StartNew();
var results = new RunResult[seeds];
var broken = new Violation?[seeds];
Parallel.For(0, seeds, new ParallelOptions { MaxDegreeOfParallelism = isVerbose ? 1 : Environment.ProcessorCount }, n =>
{
    var seed = start + n;
    results[n] = Simulator.Run(new WorldOptions(seed, plant, isVerbose));
    broken[n] = results[n].Violation;
    if (broken[n] is null && seed % deadPodEvery == 0)
    {
        broken[n] = DeadPod.Check(seed, plant);
    }

    if (broken[n] is null && seed % sampleEvery == 0 && Simulator.Run(new WorldOptions(seed, plant)).TraceHash != results[n].TraceHash)
    {
        broken[n] = new Violation(seed, results[n].Steps, "the same seed gave another run", []);
    }
});

foreach (var violation in broken.OfType<Violation>().Take(1))
{
    Console.WriteLine(string.Join('\n', violation.LastLines));
    Console.WriteLine($"seed {violation.Seed}, step {violation.Step}: {violation.Invariant}");
}

var faults = results.SelectMany(r => r.Faults).GroupBy(f => f.Key, f => f.Value).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => (g.Key, Sum: g.Sum())).ToList();
var kinds = string.Join(", ", faults.Where(f => f.Key != "crash").Select(f => $"{f.Key} {f.Sum}"));
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seeds} seeds, {results.Sum(r => (long)r.Steps)} steps, {faults.Where(f => f.Key != "crash").Sum(f => f.Sum)} faults injected ({kinds}), {faults.Where(f => f.Key == "crash").Sum(f => f.Sum)} crashes, {watch.Elapsed.TotalSeconds:0.0} seconds"));
var failed = broken.Count(b => b is not null);
if (failed > 0)
{
    foreach (var violation in broken.OfType<Violation>().Take(20))
    {
        Console.WriteLine($"seed {violation.Seed}: {violation.Invariant}");
    }

    Console.WriteLine($"{failed} seeds broke an invariant. Replay one with --seed N --verbose.");
}

return failed == 0 ? 0 : 1;

int Argument(string name, int otherwise)
{
    var at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;
}
