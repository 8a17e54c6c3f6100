using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Waits for what other processes do to the world, each with a limit and a name.</summary>
internal static class Until
{
    /// <summary>Longer than anything here takes on a machine that is busy with other things.</summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(2);

    public static Task TrueAsync(Func<bool> holds, Func<string> what) => TrueAsync(() => Task.FromResult(holds()), what);

    public static async Task TrueAsync(Func<Task<bool>> holds, Func<string> what)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!await holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Limit, $"Not within {Limit.TotalSeconds:0} s: {what()}");
            await Task.Delay(Interval, TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }
}
