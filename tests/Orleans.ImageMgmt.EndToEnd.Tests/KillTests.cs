using System.Globalization;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>
/// Goal: nothing acknowledged is lost and nothing half-written is taken for a copy, whenever the process dies. Method: the real server, real
/// files, SIGKILL at drawn moments of import, transfer and finalise, and the same data directory and plan again until it ends by itself.
/// </summary>
[Collection("servers")]
public sealed class KillTests(ITestOutputHelper output)
{
    private const int Mebibytes = 192;
    private const int DefaultRounds = 7;
    private const int VersionLimit = 6;

    private static readonly string[] Targets = ["east", "west", "north"];

    /// <summary>The moments, in the order in which they come; then again from the first with another version.</summary>
    private enum Moment
    {
        Sealing,
        Accepted,
        Sending,
        SendingAgain,
        Finalising,
        AnyTime,
    }

    [Fact]
    public async Task Kills_at_random_moments_lose_nothing_and_send_nothing_twice()
    {
        var seed = Setting("IMGMT_KILL_SEED", Environment.TickCount);
        var rounds = Setting("IMGMT_KILL_ROUNDS", DefaultRounds);
        output.WriteLine($"seed {seed}: IMGMT_KILL_SEED={seed} IMGMT_KILL_ROUNDS={rounds} draws the same moments");
        using var estate = new Estate(Targets);
        var random = new Random(seed);
        var story = new Story(estate, random, output);
        while (story.Kills < rounds)
        {
            await story.RoundAsync((Moment)(story.Kills % Enum.GetValues<Moment>().Length));
        }

        await story.EndAsync();

        var needed = story.ChunksNeeded;
        output.WriteLine($"{story.Kills} kills, {story.Starts - 1} restarts, {estate.Ledger.Requested} chunks sent for {needed} needed ({estate.Ledger.Repeated} were on their way when a kill came)");
        estate.Ledger.AssertNothingWasSentTwice(needed, story.Kills, estate.Targets);
    }

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private sealed class Story(Estate estate, Random random, ITestOutputHelper output)
    {
        private readonly List<string> versions = [];
        private int chunksPerVersion;
        private int stagedBefore;

        public int Kills { get; private set; }

        public int Starts { get; private set; }

        public int ChunksNeeded => chunksPerVersion * versions.Count * Targets.Length;

        private string Version => versions[^1];

        private string VersionId => $"{Estate.Image}/{Version}";

        /// <summary>One life of the server. When it ends before its moment came, the next one has a new version to work on.</summary>
        public async Task RoundAsync(Moment moment)
        {
            if (versions.Count == 0 || moment == Moment.Sealing)
            {
                AddVersion();
            }

            await using var server = estate.Serve();
            Starts++;
            var drawn = Draw(moment, server);
            await Until.TrueAsync(() => drawn() || server.HasEnded, () => $"{moment} of {VersionId}.\n{server}");
            if (server.HasEnded)
            {
                Assert.True(await server.ExitAsync() == 0, server.ToString());
                AddVersion();
                return;
            }

            await server.KillAsync();
            Kills++;
            output.WriteLine($"kill {Kills} at {moment}: {estate.Ledger.Staged} chunks staged; last line '{LastLine(server)}'");
            estate.AssertNoHalfCopyIsInSight();
        }

        private static string LastLine(ImgmtProcess server) => server.Lines is { Count: > 0 } lines ? lines[lines.Count - 1] : "";

        public async Task EndAsync()
        {
            await using var server = estate.Serve();
            Starts++;
            Assert.True(await server.ExitAsync() == 0, server.ToString());
            foreach (var version in versions)
            {
                Assert.Contains($"version {Estate.Image}/{version} Available", server.Lines);
                estate.AssertHolds(version, estate.Pods);
            }

            Assert.Equal(versions.Count, server.Lines.Count(line => line.StartsWith("operation publish-", StringComparison.Ordinal) && line.EndsWith(" Succeeded", StringComparison.Ordinal)));
            estate.AssertNothingIsLeftBehind(estate.Pods);
        }

        private void AddVersion()
        {
            Assert.True(versions.Count < VersionLimit, $"{VersionLimit} versions were done before {Kills} kills met them.");
            versions.Add($"1.{versions.Count}");
            chunksPerVersion = estate.AddVersion(Version, Mebibytes, random.Next());
            stagedBefore = chunksPerVersion * (versions.Count - 1) * Targets.Length;
        }

        /// <summary>The moment as something to wait for; everything random is drawn here.</summary>
        private Func<bool> Draw(Moment moment, ImgmtProcess server)
        {
            switch (moment)
            {
                case Moment.Sealing:
                    var bytes = random.NextInt64((long)Mebibytes << 20);
                    return () => StagedBytes() > bytes || Printed(server, $"version {VersionId} Deployment Complete");
                case Moment.Accepted:
                    return () => Printed(server, $"version {VersionId} ");
                case Moment.Sending or Moment.SendingAgain:
                    var missing = stagedBefore + (chunksPerVersion * Targets.Length) - estate.Ledger.Staged;
                    var line = estate.Ledger.Staged + 1 + random.Next(Math.Max(1, missing / 2));
                    return () => estate.Ledger.Staged >= line;
                case Moment.Finalising:
                    var all = stagedBefore + (chunksPerVersion * Targets.Length) - random.Next(chunksPerVersion);
                    return () => estate.Ledger.Staged >= all;
                default:
                    var since = TimeProvider.System.GetTimestamp();
                    var wait = TimeSpan.FromMilliseconds(random.Next(3_000));
                    return () => TimeProvider.System.GetElapsedTime(since) > wait;
            }
        }

        private static bool Printed(ImgmtProcess server, string beginning) => server.Lines.Any(line => line.StartsWith(beginning, StringComparison.Ordinal));

        /// <summary>The end of what sealing has written: the staged disk grows from front to back.</summary>
        private long StagedBytes()
        {
            var staged = Path.Combine(estate.FolderOf(Estate.SourcePod), "content-library", ".staging", $"{Estate.Image}@{Version}", "disk.raw");
            try
            {
                using var file = File.OpenHandle(staged, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                return Content.SparseFile.AllocatedBytes(file);
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }
}
