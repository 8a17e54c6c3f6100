using Microsoft.Extensions.Time.Testing;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Rates;

/// <summary>Goal: a cap holds within 5 % over any ten seconds when the transfers that use it run on several silos, whatever is late, lost or forgotten between
/// them, and nothing of it lies idle while all can hear each other. Method: the gates and the shares of the service under one clock of the test.</summary>
public sealed class SharedCapTests
{
    private const long Cap = 2_500_000; // 20 Mbit/s
    private const string Bucket = "out/source";
    private static readonly TimeSpan step = TimeSpan.FromMilliseconds(10);
    private static readonly PodName source = new("source");

    [Fact]
    public async Task Three_silos_share_the_cap_of_a_pod_by_their_transfers_and_waste_nothing()
    {
        using var world = new World(seed: 1, transfers: [1, 2, 3], losses: 0, memoryLivesSeconds: 1_000);
        await world.RunAsync(40);
        world.MustHold();
        Assert.InRange(world.Sum(10, 40), 30 * Cap * 0.93, 30 * Cap * 1.02);
        var total = (double)world.Sum(10, 40);
        Assert.All(Enumerable.Range(0, 3), silo => Assert.InRange(world.Sum(10, 40, silo) / total, ((silo + 1) / 6.0) - 0.03, ((silo + 1) / 6.0) + 0.03));
    }

    [Fact]
    public async Task When_a_silo_has_nothing_left_to_send_the_others_get_its_part()
    {
        using var world = new World(seed: 2, transfers: [1, 1], losses: 0, memoryLivesSeconds: 1_000);
        await world.RunAsync(12);
        world.Stop(1);
        await world.RunAsync(20);
        world.MustHold();
        Assert.InRange(world.Sum(18, 32, 0), 14 * Cap * 0.93, 14 * Cap * 1.02);
        Assert.Equal(0, world.Sum(18, 32, 1));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public async Task Late_and_lost_answers_and_a_memory_that_is_lost_again_and_again_never_let_too_much_through(int seed)
    {
        using var world = new World(seed, transfers: [2, 1, 4, 1], losses: 0.15, memoryLivesSeconds: 5);
        await world.RunAsync(60);
        world.MustHold();
        Assert.True(world.Sum(0, 60) > 60 * Cap / 5, $"{world.Sum(0, 60)} bytes: nothing gets through any more");
    }

    /// <summary>Silos whose questions and answers take a while, or never come.</summary>
    private sealed class World : IDisposable
    {
        private static readonly TimeSpan every = CapShares.Lease / 4;
        private readonly FakeTimeProvider time = new(DateTimeOffset.Parse("2026-01-05T00:00:00Z", null));
        private readonly Random random;
        private readonly double losses;
        private readonly int memoryLives;
        private readonly long began;
        private readonly List<Silo> silos;
        private readonly PriorityQueue<Action, TimeSpan> post = new();
        private readonly List<(TimeSpan At, int Silo, int Bytes)> passed = [];
        private CapShares memory = new(TimeSpan.Zero);
        private TimeSpan memoryEnds;

        public World(int seed, int[] transfers, double losses, int memoryLivesSeconds)
        {
            (random, this.losses, memoryLives) = (new Random(seed), losses, memoryLivesSeconds);
            began = time.GetTimestamp();
            memoryEnds = TimeSpan.FromSeconds(memoryLives);
            silos = [.. transfers.Select((count, n) => new Silo(n, time, count))];
        }

        private TimeSpan Now => time.GetElapsedTime(began);

        public void Stop(int silo) => silos[silo].IsStopped = true;

        public async Task RunAsync(int seconds)
        {
            var end = Now + TimeSpan.FromSeconds(seconds);
            while (Now < end)
            {
                await SettleAsync();
                time.Advance(step);
                if (Now >= memoryEnds)
                {
                    (memory, memoryEnds) = (new CapShares(Now), Now + TimeSpan.FromSeconds(memoryLives));
                }

                foreach (var silo in silos.Where(s => Now >= s.LookAt))
                {
                    silo.LookAt = Now + every;
                    foreach (var demand in silo.Gate.Demands())
                    {
                        Ask(silo, demand.Transfers, demand.Rate, demand.Uses);
                    }
                }

                while (post.TryPeek(out _, out var at) && at <= Now)
                {
                    post.Dequeue()();
                }

                Assert.True(silos.Sum(s => s.Gate.RateOf(Bucket) ?? 0) <= Cap, $"the parts add up to {silos.Sum(s => s.Gate.RateOf(Bucket) ?? 0)} at {Now}");
            }
        }

        public void MustHold()
        {
            for (var from = 0; from <= (int)Now.TotalSeconds - 10; from++)
            {
                Assert.True(Sum(from, from + 10) <= 10 * Cap * 1.05, $"{Sum(from, from + 10)} bytes in ten seconds from second {from}");
            }
        }

        public long Sum(int from, int until, int? silo = null) =>
            passed.Where(p => p.At >= TimeSpan.FromSeconds(from) && p.At < TimeSpan.FromSeconds(until) && (silo is null || p.Silo == silo)).Sum(p => (long)p.Bytes);

        public void Dispose() => silos.ForEach(s => s.Gate.Dispose());

        /// <summary>A question may be lost on its way or on its way back; a share that was made smaller is confirmed at once, as the service does.</summary>
        private void Ask(Silo silo, int transfers, long rate, double uses)
        {
            var asked = time.GetTimestamp();
            if (random.NextDouble() < losses)
            {
                return;
            }

            Send(() =>
            {
                var share = memory.Give(new CapAsk($"silo-{silo.Number}", transfers, rate, uses), Now);
                if (random.NextDouble() < losses)
                {
                    return;
                }

                Send(() =>
                {
                    silo.Gate.Lend(Bucket, share.Part, share.Rate, asked + (long)(CapShares.Lease.TotalSeconds * time.TimestampFrequency));
                    if (share.Part < uses && transfers > 0)
                    {
                        Ask(silo, transfers, rate, share.Part);
                    }
                });
            });
        }

        private void Send(Action what) => post.Enqueue(what, Now + TimeSpan.FromMilliseconds(losses > 0 ? random.Next(0, 400) : random.Next(0, 20)));

        /// <summary>Until every transfer waits.</summary>
        private async Task SettleAsync()
        {
            foreach (var silo in silos)
            {
                while (silo.Settle((bytes, number) => passed.Add((Now, number, bytes))))
                {
                    await Task.Yield();
                }
            }
        }
    }

    private sealed class Silo
    {
        private readonly List<RatePass> passes;
        private readonly List<Task<int>?> asks;

        public Silo(int number, TimeProvider time, int transfers)
        {
            Number = number;
            Gate = new RateGate(time);
            var rates = new PodRates(Gate);
            rates.Share(() => { });
            rates.Set(source, new PodCaps { Out = "20Mbit/s" });
            passes = [.. Enumerable.Range(0, transfers).Select(n => rates.Open(source, new PodName($"pod-{number}-{n}"), isUrgent: false))];
            asks = [.. passes.Select(_ => (Task<int>?)null)];
        }

        public int Number { get; }

        public RateGate Gate { get; }

        public TimeSpan LookAt { get; set; }

        public bool IsStopped { get; set; }

        /// <summary>True while something may still move at this moment.</summary>
        public bool Settle(Action<int, int> passed)
        {
            for (var n = 0; n < passes.Count; n++)
            {
                if (asks[n] is { IsCompleted: true } done)
                {
                    passed(done.GetAwaiter().GetResult(), Number);
                    asks[n] = null;
                }

                if (asks[n] is null && !IsStopped)
                {
                    asks[n] = passes[n].AskAsync(1 << 20, Bench.Token).AsTask();
                }
            }

            return Gate.Waiting != asks.Count(ask => ask is not null);
        }
    }
}
