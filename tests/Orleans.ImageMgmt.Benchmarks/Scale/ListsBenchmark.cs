using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Testing;

namespace Orleans.ImageMgmt.Benchmarks.Scale;

/// <summary>Lists of a large catalog through the reader that grains and HTTP doors use: percentiles of many calls, each with other values.</summary>
internal static class ListsBenchmark
{
    private const string Results = "tests/Orleans.ImageMgmt.Benchmarks/RESULTS-lists.md";

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var estate = new Estate(arguments.Number("--images", 2_000), arguments.Number("--versions", 50), arguments.Number("--pods", 5_000), arguments.Number("--copies", 20));
        var calls = arguments.Number("--calls", 1_000);
        var folder = Directory.CreateDirectory(Path.Combine(arguments.Text("--folder") ?? Path.GetTempPath(), $"imagemgmt-lists-{Guid.NewGuid():N}")).FullName;
        await using var server = new PostgresServer();
        await server.InitializeAsync();
        try
        {
            Dictionary<string, (double Half, double Most, double Rows)[]> measured = [];
            foreach (var name in (arguments.Text("--stores") ?? $"{ScaleStore.Sqlite},{ScaleStore.Postgres}").Split(','))
            {
                await using SiloStore store = name == ScaleStore.Sqlite
                    ? EmbeddedStore.Open(Path.Combine(folder, name), new DurableOptions(), NullLogger.Instance, TimeProvider.System)
                    : await PostgresStore.OpenAsync(Path.Combine(folder, name), await server.CreateDatabaseAsync(), 10, new DurableOptions(), NullLogger.Instance, TimeProvider.System, CancellationToken.None);
                var clock = Stopwatch.StartNew();
                await estate.FillAsync(store.Rows);
                Console.Error.WriteLine($"{name}: {store.Counters.Rows} state rows and {store.Counters.ListRows} list rows in {clock.Elapsed.TotalSeconds:0} s");
                List<(double, double, double)> results = [];
                foreach (var (what, call) in ListCalls.Of(estate))
                {
                    results.Add(await MeasureAsync(store.Catalog, call, calls));
                    Console.Error.WriteLine($"{name} {what}: {results[^1]}");
                }

                measured[name] = [.. results];
            }

            var text = Render(estate, calls, measured);
            Console.WriteLine(text);
            if (arguments.Has("--write"))
            {
                await File.WriteAllTextAsync(Results, text);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(double Half, double Most, double Rows)> MeasureAsync(CatalogReader catalog, Func<CatalogReader, Random, Task<int>> call, int calls)
    {
        var random = new Random(7);
        for (var n = 0; n < 20; n++)
        {
            await call(catalog, random); // warm
        }

        var (times, rows) = (new double[calls], 0L);
        for (var n = 0; n < calls; n++)
        {
            var started = Stopwatch.GetTimestamp();
            rows += await call(catalog, random);
            times[n] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }

        Array.Sort(times);
        return (times[calls / 2], times[calls * 99 / 100], (double)rows / calls);
    }

    private static string Render(Estate estate, int calls, Dictionary<string, (double Half, double Most, double Rows)[]> measured)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Lists of {estate.AllVersions} versions and {estate.Pods} pods").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"Machine: {Table.Machine()}; load before {File.ReadAllText("/proc/loadavg").Split(' ')[0]}. {estate.Images} images with {estate.VersionsOfImage} versions each, {estate.AllCopies} copies, {estate.AllVersions + estate.Images} operations, {estate.AllVersions + estate.AllCopies} lines of");
        text.AppendLine(CultureInfo.InvariantCulture, $"the activity log, written as grains write them: states with their list rows in one transaction. Pages of 100 rows through the reader that grains and HTTP doors use, one call after another,");
        text.AppendLine(CultureInfo.InvariantCulture, $"{calls} calls with other values each. A deep page begins somewhere in the middle of the list.").AppendLine();
        text.Append("| list | rows");
        foreach (var name in measured.Keys)
        {
            text.Append(CultureInfo.InvariantCulture, $" | {name} p50 ms | p99 ms");
        }

        text.AppendLine(" |").Append("|---|---").Append(string.Concat(Enumerable.Repeat("|---|---", measured.Count))).AppendLine("|");
        var names = ListCalls.Of(estate).Select(call => call.What).ToList();
        for (var n = 0; n < names.Count; n++)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {names[n]} | {measured.Values.First()[n].Rows:0}");
            foreach (var results in measured.Values)
            {
                text.Append(CultureInfo.InvariantCulture, $" | {results[n].Half:0.00} | {results[n].Most:0.00}");
            }

            text.AppendLine(" |");
        }

        return text.AppendLine().AppendLine("Run again: `dotnet run -c Release --project tests/Orleans.ImageMgmt.Benchmarks -- lists --write`").ToString();
    }
}

/// <summary>The calls that are measured; each takes its values by chance.</summary>
internal static class ListCalls
{
    public static IReadOnlyList<(string What, Func<CatalogReader, Random, Task<int>> Call)> Of(Estate estate)
    {
        string Image(Random random) => Estate.NameOf("img", random.Next(estate.Images)).ToString();
        string Pod(Random random) => Estate.NameOf("pod", random.Next(estate.Pods)).ToString();
        CatalogQuery Operations() => new(CatalogKind.Operation) { Descending = true };
        return
        [
            ("images", Page(_ => new(CatalogKind.Image))),
            ("images, deep page", Page(random => new(CatalogKind.Image) { After = At(Image(random)) })),
            ("images by beginning of the name", Page(random => new(CatalogKind.Image) { NamePrefix = Image(random)[..7] })),
            ("images by status and family", Page(_ => new(CatalogKind.Image) { Status = nameof(ImageStatus.Available), Family = "filesystem" })),
            ("versions of an image", Page(random => new(CatalogKind.Version) { Image = Image(random) })),
            ("versions of an image by status and name", Page(random => new(CatalogKind.Version) { Image = Image(random), Status = nameof(VersionStatus.Available), NamePrefix = "1.4" })),
            ("versions of all images by status", Page(_ => new(CatalogKind.Version) { Status = nameof(VersionStatus.Failed) })),
            ("versions of all images, deep page", Page(random => new(CatalogKind.Version) { After = At($"{Image(random)}/1.7") })),
            ("pods", Page(_ => new(CatalogKind.Pod))),
            ("pods, deep page", Page(random => new(CatalogKind.Pod) { After = At(Pod(random)) })),
            ("pods by label (one in 250)", Page(random => new(CatalogKind.Pod) { Labels = new Dictionary<string, string> { ["site"] = $"site-{random.Next(250)}" } })),
            ("pods by two labels", Page(random => new(CatalogKind.Pod) { Labels = new Dictionary<string, string> { ["region"] = $"region-{random.Next(5)}", ["site"] = $"site-{random.Next(250)}" } })),
            ("pods by status", Page(_ => new(CatalogKind.Pod) { Status = nameof(PodState.Unreachable) })),
            ("pods by beginning of the name", Page(random => new(CatalogKind.Pod) { NamePrefix = Pod(random)[..7] })),
            ("copies of a version", Page(random => new(CatalogKind.Copy) { Image = Image(random), Version = "1.49" })),
            ("copies on a pod", Page(random => new(CatalogKind.Copy) { Pod = Pod(random) })),
            ("copies on a pod by status", Page(random => new(CatalogKind.Copy) { Pod = Pod(random), Status = nameof(CopyState.Failed) })),
            ("operations, newest first", Page(_ => Operations())),
            ("operations, deep page", Page(random => Operations() with { After = new CatalogCursor(CatalogRow.Chronological(estate.TimeOf(random.Next(estate.AllVersions))), "z") })),
            ("operations by state", Page(_ => Operations() with { Status = nameof(OperationState.Running) })),
            ("operations by kind", Page(_ => Operations() with { OperationKind = "publish" })),
            ("operations of an image", Page(random => Operations() with { Image = Image(random) })),
            ("activity, newest first", Activity(_ => new ActivityQuery())),
            ("activity, deep page", Activity(random => new ActivityQuery { Before = random.Next(1, estate.AllVersions) })),
            ("activity of an image", Activity(random => new ActivityQuery { Image = Image(random) })),
            ("activity of a pod", Activity(random => new ActivityQuery { Pod = Pod(random) })),
            ("activity of an operation", Activity(random => new ActivityQuery { Operation = $"import-{random.Next(estate.AllVersions)}" })),
            ("one operation by its id", async (catalog, random) => await catalog.FindAsync(CatalogKind.Operation, $"import-{random.Next(estate.AllVersions)}", CancellationToken.None) is null ? 0 : 1),
        ];
    }

    private static CatalogCursor At(string sort) => new(sort, sort);

    private static Func<CatalogReader, Random, Task<int>> Page(Func<Random, CatalogQuery> query) =>
        async (catalog, random) => (await catalog.ListAsync(query(random), CancellationToken.None)).Rows.Count;

    private static Func<CatalogReader, Random, Task<int>> Activity(Func<Random, ActivityQuery> query) =>
        async (catalog, random) => (await catalog.ListActivityAsync(query(random), CancellationToken.None)).Count;
}
