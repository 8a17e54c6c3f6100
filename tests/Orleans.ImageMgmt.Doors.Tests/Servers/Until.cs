using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>Waits for a state, never for a while.</summary>
internal static class Until
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    public static async Task TrueAsync(Func<Task<bool>> state, string what, Func<string>? seen = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(DoorsHost.Limit);
        using var timer = new PeriodicTimer(Look);
        while (!await state())
        {
            try
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
            catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                Assert.Fail($"Not within {DoorsHost.Limit}: {what}. {seen?.Invoke()}");
            }
        }
    }
}
