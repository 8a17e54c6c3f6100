using System.Diagnostics;
using System.Globalization;
using System.Text;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Testing;

namespace Orleans.ImageMgmt.Benchmarks.Scale;

/// <summary>One publish to N simulated pods, on one silo, with what grains store kept in several ways.</summary>
internal static class FanOutBenchmark
{
    private const string Results = "tests/Orleans.ImageMgmt.Benchmarks/RESULTS-scale.md";

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var scripts = arguments.Text("--adonet");
        var stores = (arguments.Text("--stores") ?? $"{ScaleStore.Memory},{ScaleStore.Sqlite},{ScaleStore.Postgres}" + (scripts is null ? "" : $",{ScaleStore.AdoNetSqlite},{ScaleStore.AdoNetPostgres}")).Split(',');
        var transfers = arguments.Number("--transfers", 4_096);
        var table = new FanOutTable(transfers);
        await using var server = new PostgresServer();
        await server.InitializeAsync();
        foreach (var pods in arguments.Numbers("--pods", "100,1000,10000"))
        {
            // Small publishes are short: more of them are needed for a steady median.
            var rounds = arguments.Number("--rounds", pods < 1_000 ? 9 : pods < 10_000 ? 5 : 3);
            for (var turn = 0; turn < arguments.Number("--turns", pods < 10_000 ? 2 : 1); turn++)
            {
                foreach (var store in turn % 2 == 0 ? stores : [.. stores.Reverse()])
                {
                    var isServed = store is ScaleStore.Postgres or ScaleStore.AdoNetPostgres;
                    string[] more = isServed ? ["--database", await server.CreateDatabaseAsync(), "--server", server.Pid.ToString(CultureInfo.InvariantCulture)] : [];
                    foreach (var cost in await MeasureAsync(arguments, store, pods, rounds, transfers, [.. more, .. scripts is null ? [] : (string[])["--scripts", scripts]]))
                    {
                        table.Add(pods, store, cost);
                    }
                }
            }
        }

        var text = table.Render();
        Console.WriteLine(text);
        if (arguments.Has("--write"))
        {
            await File.WriteAllTextAsync(Results, text);
        }

        return 0;
    }

    private static async Task<List<FanOutCost>> MeasureAsync(Arguments arguments, string store, int pods, int rounds, int transfers, IReadOnlyList<string> more)
    {
        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder") ?? Path.GetTempPath(), $"imagemgmt-scale-{Guid.NewGuid():N}")).FullName;
        try
        {
            var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
            string[] given =
            [
                "fan-out-child", "--store", store, "--folder", folder, "--pods", $"{pods}", "--rounds", $"{rounds}", "--warm", pods < 1_000 ? "6" : pods < 10_000 ? "2" : "1", "--transfers", $"{transfers}", .. more,
            ];
            foreach (var word in (string[])[.. Path.GetFileNameWithoutExtension(start.FileName) == "dotnet" ? [typeof(FanOutBenchmark).Assembly.Location] : Array.Empty<string>(), .. given])
            {
                start.ArgumentList.Add(word);
            }

            using var child = Process.Start(start)!;
            List<FanOutCost> costs = [];
            while (await child.StandardOutput.ReadLineAsync() is { } line)
            {
                if (line.Split(' ') is ["result", .. var numbers])
                {
                    var n = numbers.Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
                    costs.Add(new FanOutCost(n[0], n[1], n[2], n[3] / pods, n[4] / pods, n[5], n[6] / pods));
                    Console.Error.WriteLine($"{pods} {store}: {line}");
                }
            }

            await child.WaitForExitAsync();
            return child.ExitCode == 0 ? costs : throw new InvalidOperationException($"{store} with {pods} pods ended with {child.ExitCode}.");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

/// <summary>What one publish took; counts and memory for each pod.</summary>
internal sealed record FanOutCost(double Wall, double Cpu, double ServerCpu, double Rows, double ListRows, double Commits, double Memory);

/// <summary>Collects costs and prints medians, ratios and marks as markdown.</summary>
internal sealed class FanOutTable(int transfers)
{
    private static readonly Dictionary<string, string> Names = new()
    {
        [ScaleStore.Memory] = "all in memory: our rules over a dictionary",
        [ScaleStore.Sqlite] = "SQLite, synchronous=FULL: our group commit",
        [ScaleStore.Postgres] = "PostgreSQL, fsync on: our group commit",
        [ScaleStore.AdoNetSqlite] = "SQLite: Orleans' AdoNet provider, lists in memory",
        [ScaleStore.AdoNetPostgres] = "PostgreSQL: Orleans' AdoNet provider, lists in memory",
    };

    private readonly List<(int Pods, string Store, FanOutCost Cost)> costs = [];

    public void Add(int pods, string store, FanOutCost cost) => costs.Add((pods, store, cost));

    public string Render()
    {
        var text = new StringBuilder();
        text.AppendLine("# One publish to N pods").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}; load before {File.ReadAllText("/proc/loadavg").Split(' ')[0]}. One silo with the grains, the worker and the simulated pods that the service ships; each pod");
        text.AppendLine(CultureInfo.InvariantCulture, $"works 50 ms and takes 4 KiB; {transfers} transfers at once, so that storing is what is measured; no fault. From the request until the version has stored the end. Medians; lowest and");
        text.AppendLine("highest wall seconds in brackets. Each store and size in processes of its own, in turns, stores forwards and backwards; publishes before the measured ones warm it up. CPU: silo + database server.");
        text.AppendLine("State rows are what grains store; list rows (lists and activity log) are written in the same transactions. Memory is the peak of the process above the silo at rest without pods,");
        text.AppendLine("for each pod, after all publishes of the run. AdoNet rows: the provider and the SQL scripts of Orleans; lists are kept in memory there, which is in their favour.").AppendLine();
        text.AppendLine("| pods | what | wall s | / memory | CPU ms a pod | state rows a pod | list rows a pod | commits | KB a pod |");
        text.AppendLine("|---|---|---|---|---|---|---|---|---|");
        foreach (var group in costs.GroupBy(c => (c.Pods, c.Store)))
        {
            var yardstick = costs.Where(c => c.Pods == group.Key.Pods && c.Store == ScaleStore.Memory).Select(c => c.Cost.Wall).ToList();
            var wall = Median(group.Select(c => c.Cost.Wall));
            var ratio = group.Key.Store == ScaleStore.Memory || yardstick.Count == 0 ? "" : (wall / Median(yardstick)).ToString("0.00", CultureInfo.InvariantCulture);
            text.AppendLine(string.Create(CultureInfo.InvariantCulture,
                $"| {group.Key.Pods} | {Names[group.Key.Store]} | {wall:0.00} ({group.Min(c => c.Cost.Wall):0.00}–{group.Max(c => c.Cost.Wall):0.00}) | {ratio} | {Cpu(group):0.00}{Server(group)} | {Median(group.Select(c => c.Cost.Rows)):0.00} | {Median(group.Select(c => c.Cost.ListRows)):0.00} | {Median(group.Select(c => c.Cost.Commits)):0} | {group.Max(c => c.Cost.Memory) / 1000:0} |"));
        }

        return text.AppendLine().AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- fan-out --write`; with Orleans' providers: `--adonet FOLDER`, where the folder holds")
            .AppendLine("`PostgreSQL-Main.sql`, `PostgreSQL-Persistence.sql`, `Sqlite-Main.sql` and `Sqlite-Persistence.sql` of the Orleans repository.").ToString();

        static double Cpu(IGrouping<(int Pods, string Store), (int Pods, string Store, FanOutCost Cost)> group) => Median(group.Select(c => c.Cost.Cpu)) * 1000 / group.Key.Pods;

        static string Server(IGrouping<(int Pods, string Store), (int Pods, string Store, FanOutCost Cost)> group) =>
            Median(group.Select(c => c.Cost.ServerCpu)) is var server and > 0 ? string.Create(CultureInfo.InvariantCulture, $" + {server * 1000 / group.Key.Pods:0.00}") : "";
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
