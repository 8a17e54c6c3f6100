using System.Collections.Concurrent;
using System.Globalization;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Crashes;

/// <summary>
/// Goal: wherever a flow is cut, it ends the same. Method: a dry run counts its storage writes, connector calls and grain messages; then the n-th
/// of each kind fails, loses its answer, comes twice, or the silo dies before or after it and another one starts on the same store. Each run has to end in the
/// dry run's catalog and bytes. A seeded sample of n runs here; IMGMT_CRASH_MATRIX=all runs every n, IMGMT_CRASH_KIND=Write (Call, Message) those of one kind.
/// </summary>
public sealed class CrashMatrixTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    /// <summary>Of each kind and mishap.</summary>
    private const int Sample = 2;
    private const int PostgresSample = 1;

    /// <summary>Runs beside each other: most of a run is waiting.</summary>
    private const int AtOnce = 3;

    /// <summary>A flow may do a little more or less than the dry run did: what has a longer tail is not missed.</summary>
    private const int Tail = 8;

    private static bool IsWhole => Environment.GetEnvironmentVariable("IMGMT_CRASH_MATRIX") == "all";

    [Fact]
    public Task Wherever_a_flow_is_cut_it_ends_in_the_same_catalog_and_bytes() => RunAsync(IsWhole ? int.MaxValue : Sample, () => Task.FromResult<string?>(null));

    [Fact]
    public Task Wherever_a_flow_on_PostgreSQL_is_cut_it_ends_in_the_same_catalog_and_bytes() =>
        RunAsync(IsWhole ? 10 : PostgresSample, async () => await server.CreateDatabaseAsync());

    private async Task RunAsync(int sample, Func<Task<string?>> database)
    {
        var dry = new CrashPlan(null);
        string expected;
        await using (var world = await CrashWorld.StartAsync(dry, await database()))
        {
            expected = await FlowAsync(world, dry);
        }

        var seed = Environment.GetEnvironmentVariable("IMGMT_CRASH_SEED") is { Length: > 0 } given ? int.Parse(given, CultureInfo.InvariantCulture) : Environment.TickCount;
        var points = Choose(dry, sample, new Random(seed));
        Say(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {Counts(dry)}; {points.Count} runs"));
        ConcurrentBag<string> faults = [];
        ConcurrentBag<CrashPoint> struck = [];
        var lives = 0;
        await Parallel.ForEachAsync(points, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestContext.Current.CancellationToken }, async (point, _) =>
        {
            try
            {
                var plan = new CrashPlan(point);
                await using var world = await CrashWorld.StartAsync(plan, await database());
                await EndsAsync(world, plan, point, expected);
                Interlocked.Add(ref lives, world.Lives);
                if (plan.HasStruck)
                {
                    struck.Add(point);
                }
            }
            catch (Exception problem) when (problem is not OperationCanceledException)
            {
                faults.Add($"{point}: {problem.Message}");
                Say($"{point}: {problem}");
            }
        });

        Say(string.Create(CultureInfo.InvariantCulture, $"{struck.Count} of {points.Count} runs were cut, {lives} lives of silos, {faults.Count} ended otherwise"));
        foreach (var kind in struck.GroupBy(p => (p.Kind, p.Mishap)).OrderBy(g => g.Key))
        {
            Say(string.Create(CultureInfo.InvariantCulture, $"  {kind.Key.Kind} {kind.Key.Mishap}: {kind.Count()}"));
        }

        Assert.True(faults.IsEmpty, string.Join('\n', faults));
        Assert.True(struck.Count >= points.Count / 2, "Most runs were not cut: the counts of the dry run are no measure of the flow.");
    }

    private static async Task<string> FlowAsync(CrashWorld world, CrashPlan plan)
    {
        var flow = new CrashFlow(world);
        await flow.PrepareAsync();
        plan.Begin();
        await flow.RunAsync();
        var settled = await flow.SettledAsync();
        plan.End();
        return settled;
    }

    private static async Task EndsAsync(CrashWorld world, CrashPlan plan, CrashPoint point, string expected)
    {
        var flow = new CrashFlow(world);
        await flow.PrepareAsync();
        plan.Begin();
        await flow.RunAsync();
        await flow.EndsAsAsync(expected, point.ToString());
    }

    /// <summary>The same number of n for each kind and mishap, drawn from all n; or all of them.</summary>
    private static List<CrashPoint> Choose(CrashPlan dry, int sample, Random random) =>
    [
        .. from kind in Enum.GetValues<CrashKind>()
           where Environment.GetEnvironmentVariable("IMGMT_CRASH_KIND") is not { Length: > 0 } only || only == kind.ToString()
           from mishap in Enum.GetValues<Mishap>()
           let all = Enumerable.Range(1, dry.CountOf(kind) + (sample == int.MaxValue ? Tail : 0)).ToArray()
           from number in all.OrderBy(_ => random.Next()).Take(sample)
           select new CrashPoint(kind, mishap, number),
    ];

    private static string Counts(CrashPlan plan) => string.Create(CultureInfo.InvariantCulture,
        $"the flow makes {plan.CountOf(CrashKind.Write)} storage writes, {plan.CountOf(CrashKind.Call)} connector calls and {plan.CountOf(CrashKind.Message)} grain messages");

    private void Say(string line) => output.WriteLine(line);
}
