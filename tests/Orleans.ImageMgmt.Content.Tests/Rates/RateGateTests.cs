using Microsoft.Extensions.Time.Testing;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Rates;

/// <summary>Goal: caps hold within 5 % over any ten seconds, for real transfers, shared, by the calendar, and changed while bytes travel.
/// Method: real copies on real files through the real gate; only the clock is the test's, and it moves when everybody waits for it.</summary>
public sealed class RateGateTests
{
    private const long Cap = 2_500_000; // 20 Mbit/s
    private static readonly TimeSpan step = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan window = TimeSpan.FromSeconds(10);
    private static readonly PodName source = new("source");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Three_transfers_share_the_cap_of_their_source_within_five_percent_of_any_ten_seconds(bool local)
    {
        using var run = new Run("2026-01-05T00:00:00Z");
        run.Rates.Set(source, new PodCaps { Out = "20Mbit/s" });
        await run.CopyAsync(3, 12, local);
        run.MustHold(_ => Cap);
        run.MustUse(Cap);
        Assert.All(run.ByTransfer.Values, bytes => Assert.Equal(12 << 20, bytes));
    }

    [Fact]
    public async Task Pods_of_one_link_share_it_with_the_lowest_rate_that_any_of_them_says_and_nothing_between_them_counts()
    {
        using var run = new Run("2026-01-05T00:00:00Z");
        run.Rates.Set(new PodName("pod-0"), new PodCaps { Link = "branch-wan", LinkRate = "40Mbit/s" });
        run.Rates.Set(new PodName("pod-1"), new PodCaps { Link = "branch-wan", LinkRate = "20Mbit/s", In = "1Gbit/s" });
        await run.CopyAsync(2, 14, local: true);
        run.MustHold(_ => Cap);
        run.MustUse(Cap);

        run.Rates.Set(source, new PodCaps { Link = "branch-wan", LinkRate = "20Mbit/s" });
        var before = run.Time.GetUtcNow();
        Assert.Equal(1 << 30, await run.Rates.Open(source, new PodName("pod-0"), false).AskAsync(1 << 30, Bench.Token));
        Assert.Equal(before, run.Time.GetUtcNow());
    }

    [Fact]
    public async Task The_calendar_changes_the_rate_of_what_is_under_way_at_the_pods_own_time()
    {
        using var run = new Run("2026-07-06T15:59:52Z"); // 17:59:52 in Berlin
        run.Rates.Set(new PodName("pod-0"), new PodCaps { In = "08:00-18:00 mon-fri 4Mbit/s; else 40Mbit/s", TimeZone = "Europe/Berlin" });
        await run.CopyAsync(1, 48, local: true);
        var evening = DateTimeOffset.Parse("2026-07-06T16:00:00Z", null);
        run.MustHold(at => at < evening ? 500_000 : 5_000_000);
        Assert.InRange(run.Sum(evening.AddSeconds(-8), evening), 500_000 * 7.6, 500_000 * 8.4);
        Assert.InRange(run.Sum(evening, evening.AddSeconds(8)), 5_000_000 * 7.6, 5_000_000 * 8.4);
    }

    [Fact]
    public async Task A_cap_that_is_changed_or_taken_away_counts_for_running_transfers_at_once()
    {
        using var run = new Run("2026-01-05T00:00:00Z");
        var (start, pod) = (run.Time.GetUtcNow(), new PodName("pod-0"));
        run.Rates.Set(pod, new PodCaps { In = "20Mbit/s" });
        await run.CopyAsync(1, 48, local: false, at =>
        {
            if (at == start.AddSeconds(5))
            {
                run.Rates.Set(pod, new PodCaps { In = "4Mbit/s" });
            }
            else if (at == start.AddSeconds(10))
            {
                run.Rates.Set(pod, PodCaps.None);
            }
        });
        Assert.InRange(run.Sum(start, start.AddSeconds(5)), Cap * 4.75, Cap * 5.25);
        Assert.InRange(run.Sum(start.AddSeconds(5), start.AddSeconds(10)), 500_000 * 4.75, 500_000 * 6.25);
        Assert.Equal(start.AddSeconds(10), run.Time.GetUtcNow()); // what was left went through without a wait
    }

    [Fact]
    public async Task An_urgent_transfer_goes_before_others_and_those_still_get_every_fourth_turn()
    {
        using var run = new Run("2026-01-05T00:00:00Z");
        run.Rates.Set(source, new PodCaps { Out = "20Mbit/s" });
        run.Urgent.Add(3);
        await run.CopyAsync(4, 8, local: true, stopAfter: 3);
        Assert.InRange(run.ByTransfer[3], 0.7 * 3 * Cap, 0.8 * 3 * Cap);
        Assert.All(Enumerable.Range(0, 3), n => Assert.InRange(run.ByTransfer[n], 0.06 * 3 * Cap, 0.1 * 3 * Cap));
    }

    [Fact]
    public async Task Who_gives_up_waiting_leaves_the_queue_and_takes_nothing()
    {
        using var run = new Run("2026-01-05T00:00:00Z");
        run.Rates.Set(source, new PodCaps { Out = "256kbit/s" });
        using var stop = new CancellationTokenSource();
        var patient = run.Rates.Open(source, new PodName("a"), false).AskAsync(4_096, Bench.Token).AsTask();
        var impatient = run.Rates.Open(source, new PodName("b"), false).AskAsync(4_096, stop.Token).AsTask();
        Assert.Equal(2, run.Gate.Waiting);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        Assert.Equal(1, run.Gate.Waiting);
        run.Time.Advance(TimeSpan.FromMilliseconds(129));
        Assert.Equal(4_096, await patient.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, Bench.Token));
    }

    /// <summary>Transfers through one gate under a clock that moves when all of them wait.</summary>
    private sealed class Run : IDisposable
    {
        private static readonly TimeSpan patience = TimeSpan.FromSeconds(60);
        private readonly Bench bench = new();
        private readonly List<(DateTimeOffset At, int Bytes)> passed = [];
        private int active;

        public Run(string start)
        {
            Time = new FakeTimeProvider(DateTimeOffset.Parse(start, null));
            Gate = new RateGate(Time);
            Rates = new PodRates(Gate);
        }

        public FakeTimeProvider Time { get; }

        public RateGate Gate { get; }

        public PodRates Rates { get; }

        public HashSet<int> Urgent { get; } = [];

        public Dictionary<int, long> ByTransfer { get; } = [];

        public async Task CopyAsync(int transfers, int mebibytes, bool local, Action<DateTimeOffset>? each = null, int? stopAfter = null)
        {
            var file = bench.Open("source");
            var bytes = new byte[mebibytes << 20];
            new Random(7).NextBytes(bytes);
            RandomAccess.Write(file, bytes, 0);
            await using var reader = await bench.SealAsync("sealed", file);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(Bench.Token);
            active = transfers;
            var copies = Enumerable.Range(0, transfers).Select(n => Task.Run(() => CopyOneAsync(n, local ? reader : new RemoteDouble(reader), stop.Token), stop.Token)).ToList();
            var all = Task.WhenAll(copies);
            var began = TimeProvider.System.GetTimestamp();
            var limit = stopAfter is { } seconds ? Time.GetUtcNow().AddSeconds(seconds) : DateTimeOffset.MaxValue;
            while (!all.IsCompleted && Time.GetUtcNow() < limit)
            {
                Assert.True(TimeProvider.System.GetElapsedTime(began) < patience, $"{Gate.Waiting} of {active} wait at {Time.GetUtcNow():O}");
                if (Gate.Waiting > 0 && Gate.Waiting == Volatile.Read(ref active))
                {
                    Time.Advance(step);
                    each?.Invoke(Time.GetUtcNow());
                }
                else
                {
                    await Task.Yield();
                }
            }

            await stop.CancelAsync();
            await all.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            Assert.True(stopAfter is not null || all.IsCompletedSuccessfully, all.Exception?.ToString());
        }

        /// <summary>No window of ten seconds holds more than 5 % above what the cap allows in it.</summary>
        public void MustHold(Func<DateTimeOffset, long> cap)
        {
            foreach (var start in passed.Select(p => p.At).Distinct())
            {
                var allowed = Enumerable.Range(0, (int)(window / step)).Sum(n => cap(start + (n * step)) * step.TotalSeconds);
                var sum = Sum(start, start + window);
                Assert.True(sum <= allowed * 1.05, $"{sum} bytes in ten seconds from {start:O}; {allowed:0} are allowed");
            }
        }

        /// <summary>Nor is anything wasted while somebody waits.</summary>
        public void MustUse(long cap)
        {
            var (first, last) = (passed[0].At, passed[^1].At);
            for (var start = first; start + window <= last; start += TimeSpan.FromSeconds(1))
            {
                Assert.True(Sum(start, start + window) >= cap * window.TotalSeconds * 0.95, $"only {Sum(start, start + window)} bytes in ten seconds from {start:O}");
            }

            Assert.True(last - first > window);
        }

        public long Sum(DateTimeOffset from, DateTimeOffset until) => passed.Where(p => p.At >= from && p.At < until).Sum(p => (long)p.Bytes);

        public void Dispose()
        {
            Gate.Dispose();
            bench.Dispose();
        }

        private async Task CopyOneAsync(int number, IContentReader reader, CancellationToken stop)
        {
            var pass = Rates.Open(source, new PodName($"pod-{number}"), Urgent.Contains(number));
            var options = new ReceiveOptions
            {
                Throttle = async (wanted, token) =>
                {
                    var part = await pass.AskAsync(wanted, token);
                    lock (passed)
                    {
                        passed.Add((Time.GetUtcNow(), part));
                        ByTransfer[number] = ByTransfer.GetValueOrDefault(number) + part;
                    }

                    return part;
                },
            };
            try
            {
                await CopyReceiver.ReceiveAsync(reader, bench.Open($"staging-{number}"), options, SilentObserver.Instance, stop);
            }
            finally
            {
                Interlocked.Decrement(ref active);
            }
        }
    }
}
