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
}
