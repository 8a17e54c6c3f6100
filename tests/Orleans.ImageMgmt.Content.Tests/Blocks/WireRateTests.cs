using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

public class WireRateTests
{
    [Theory]
    [InlineData(0.2)]
    [InlineData(0.9)]
    [InlineData(1.01)]
    public async Task A_limit_of_rate_is_asked_for_what_travels_however_well_it_packs(double packs)
    {
        long asked = 0;
        long arrived = 0;
        var random = new Random(3);
        var rate = new WireRate((_, bytes, _) =>
        {
            asked += bytes;
            return ValueTask.FromResult(bytes);
        });
        for (var i = 0; i < 200; i++)
        {
            var unpacked = random.Next(4_096, 1 << 20);
            var guess = await rate.AskAsync(0, unpacked, TestContext.Current.CancellationToken);
            Assert.True(asked + (1 << 20) >= arrived, "Bytes travelled that nobody was asked for.");
            var came = (int)(unpacked * packs);
            rate.Settle(unpacked, guess, came);
            arrived += came;
        }

        Assert.InRange(asked - arrived, -(1 << 20), 1 << 20);
    }

    [Fact]
    public async Task Under_a_limit_one_answer_is_let_through_after_the_other()
    {
        var turns = new List<TaskCompletionSource<int>>();
        var rate = new WireRate((_, bytes, _) =>
        {
            turns.Add(new TaskCompletionSource<int>());
            return bytes < 100_000 ? new ValueTask<int>(turns[^1].Task) : ValueTask.FromResult(10_000);
        });
        await rate.LearnAsync(0, 1 << 20, TestContext.Current.CancellationToken);
        turns.Clear();
        var first = rate.AskAsync(0, 30_000, TestContext.Current.CancellationToken).AsTask();
        var second = rate.AskAsync(0, 10_000, TestContext.Current.CancellationToken).AsTask();
        Assert.Single(turns);
        turns[0].SetResult(10_000);
        await WaitForAsync(turns, 2);
        Assert.False(first.IsCompleted || second.IsCompleted);
        turns[1].SetResult(10_000);
        await first;
        await WaitForAsync(turns, 3);
        turns[2].SetResult(10_000);
        await second;
    }

    private static async Task WaitForAsync(List<TaskCompletionSource<int>> turns, int count)
    {
        while (turns.Count < count)
        {
            await Task.Yield();
        }
    }

    [Fact]
    public async Task Under_a_low_limit_answers_are_small_and_when_it_is_gone_they_are_not()
    {
        var part = 50_000; // 8 Mbit/s
        var rate = new WireRate((_, bytes, _) => ValueTask.FromResult(Math.Min(bytes, part)));
        Assert.Equal(1 << 20, rate.Most(1 << 16, 1 << 20));
        await rate.LearnAsync(0, 1 << 20, TestContext.Current.CancellationToken);
        Assert.Equal(part * 2, rate.Most(1 << 16, 1 << 20)); // nothing has shown yet how well it packs
        for (var i = 0; i < 20; i++)
        {
            var unpacked = rate.Most(1 << 16, 1 << 20);
            rate.Settle(unpacked, await rate.AskAsync(0, unpacked, TestContext.Current.CancellationToken), unpacked / 4);
        }

        Assert.InRange(rate.Most(1 << 16, 1 << 20) / 4, part, part * 2);
        part = 1_000;
        await rate.AskAsync(0, 1 << 20, TestContext.Current.CancellationToken);
        Assert.Equal(1 << 16, rate.Most(1 << 16, 1 << 20));
        part = int.MaxValue;
        await rate.AskAsync(0, 1 << 20, TestContext.Current.CancellationToken);
        Assert.Equal(1 << 20, rate.Most(1 << 16, 1 << 20));
    }
}
