using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>Waits for what others do, with a limit.</summary>
internal static class Until
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Calls again while the call cannot be answered.</summary>
    public static async Task<T> AnswersAsync<T>(Func<Task<T>> call)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (Exception) when (TimeProvider.System.GetElapsedTime(start) < Limit)
            {
                await Task.Delay(Interval, TimeProvider.System, TestContext.Current.CancellationToken);
            }
        }
    }
}
