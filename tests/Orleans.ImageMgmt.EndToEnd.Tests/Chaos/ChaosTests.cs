using System.Globalization;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>
/// Goal: whatever dies, whatever was acknowledged comes to its right end, every copy is whole, and nothing is left lying about. Method: three real
/// silos, a real PostgreSQL server with fsync on, pods in folders; callers import, publish, cancel and delete over HTTP while silos are killed, stopped
/// and woken and PostgreSQL is killed once; then quiet, and an audit of operations, catalog and disks. IMGMT_CHAOS_SECONDS makes it longer.
/// </summary>
[Collection("servers")]
public sealed class ChaosTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int DefaultSeconds = 20;

    /// <summary>Callers at once.</summary>
    private const int Callers = 5;

    /// <summary>How long everything may take to come to its end when nobody disturbs any more; reminders wake grains every 5 minutes at the latest.</summary>
    private static readonly TimeSpan SettleLimit = TimeSpan.FromMinutes(6);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    [Fact]
    public async Task Whatever_dies_under_load_all_that_was_acknowledged_ends_right_and_nothing_is_left_lying_about()
    {
        var seed = Setting("IMGMT_CHAOS_SEED", Environment.TickCount);
        var seconds = Setting("IMGMT_CHAOS_SECONDS", DefaultSeconds);
        Say(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: IMGMT_CHAOS_SEED={seed} IMGMT_CHAOS_SECONDS={seconds} draws the same"));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        await using var estate = new ChaosEstate(server);
        await estate.StartAsync(seed);
        using var doors = new ChaosDoors(estate.Cluster, estate.Cluster.Token, stop.Token);
        var keepers = estate.Silos.Select(silo => silo.KeepUpAsync(stop.Token)).ToList();
        try
        {
            await RunAsync(estate, doors, seed, TimeSpan.FromSeconds(seconds));
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(keepers).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            if (Environment.GetEnvironmentVariable("IMGMT_CHAOS_LOGS") is { Length: > 0 } folder)
            {
                estate.WriteLogs(folder);
            }
        }
    }

    private async Task RunAsync(ChaosEstate estate, ChaosDoors doors, int seed, TimeSpan time)
    {
        var book = new ChaosBook();
        var load = new ChaosLoad(estate, doors, book, seed);
        var kills = new ChaosKills(estate, doors, server, seed, Say);
        var witness = new ChaosWitness(estate, doors, book, seed);
        using var over = new CancellationTokenSource();
        var working = Task.WhenAll(load.RunAsync(Callers, over.Token), witness.RunAsync(over.Token));
        await kills.RunAsync(time);
        await over.CancelAsync();
        await working;

        var audit = new ChaosAudit(estate, doors, book);
        var quiet = TimeProvider.System.GetTimestamp();
        while (await audit.OpenAsync() is { Count: > 0 } open)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(quiet) < SettleLimit, $"Nothing is disturbed any more, and these do not end: {string.Join("; ", open)}");
            await Task.Delay(Look, TimeProvider.System, TestContext.Current.CancellationToken);
        }

        while (audit.Remains().Count > 0 && TimeProvider.System.GetElapsedTime(quiet) < SettleLimit)
        {
            await Task.Delay(Look, TimeProvider.System, TestContext.Current.CancellationToken);
        }

        var settled = TimeProvider.System.GetElapsedTime(quiet);
        await audit.RunAsync();
        Say(string.Create(CultureInfo.InvariantCulture,
            $"{kills.Kills} SIGKILL, {kills.Stops} SIGSTOP, {kills.Terminations} SIGTERM, {kills.DatabaseKills} of PostgreSQL, {estate.Silos.Sum(s => s.Starts)} starts of silos, {load.Stories} stories, quiet after {settled.TotalSeconds:0.0} s"));
        Say($"silos that ended by themselves: {Words(estate.Silos.SelectMany(s => s.OwnEnds).GroupBy(e => e).Select(e => (e.Key, e.Count())))}");
        Say($"{book.All.Count} operations: {Words(audit.Ends.Select(e => (e.Key, e.Value)))}");
        Say($"{doors.Answered} requests answered, {doors.Unanswered} without an answer and repeated: {Words(doors.Troubles.Select(e => (e.Key, e.Value)))}");
        Say(string.Create(CultureInfo.InvariantCulture, $"{audit.Copies} copies with {audit.Bytes >> 20} MiB read back from the disks and {witness.Looks} under way at {witness.Asks} looks; {audit.Faults.Count + witness.Lies.Count} faults"));
        Assert.True(witness.Lies.Concat(audit.Faults).ToList() is { Count: 0 }, string.Join('\n', witness.Lies.Concat(audit.Faults)));
        Assert.True(kills.Kills > 0 && audit.Copies > 0 && kills.DatabaseKills == 1, "The run was too short to prove anything.");
    }

    private static string Words(IEnumerable<(string What, int Count)> counts) => string.Join(", ", counts.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Count} × {c.What}"))) is { Length: > 0 } words ? words : "none";

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private void Say(string line) => output.WriteLine(line);
}
