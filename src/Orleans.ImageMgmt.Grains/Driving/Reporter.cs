using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Sends reports upward from outside grain turns, so that nobody waits in a circle. A report that is lost (queue full, far side down, process
/// gone) is healed by the next ensure of the one who wants to know; there is no retry protocol.
/// </summary>
internal sealed class Reporter(ILogger<Reporter> log)
{
    /// <summary>Reports under way at once; a report beyond it is dropped and healed.</summary>
    private const int Limit = 4_096;

    private int underWay;

    public int UnderWay => Volatile.Read(ref underWay);

    /// <param name="to">Names the far side in the log.</param>
    /// <param name="call">Runs outside any turn.</param>
    /// <param name="lost">Runs instead when the limit is reached.</param>
    public void Send(string to, Func<Task> call, Action? lost = null)
    {
        if (Interlocked.Increment(ref underWay) > Limit)
        {
            Interlocked.Decrement(ref underWay);
            lost?.Invoke();
            return;
        }

        using (ExecutionContext.SuppressFlow())
        {
            _ = Task.Run(() => SendAsync(to, call));
        }
    }

    private async Task SendAsync(string to, Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (Exception problem)
        {
            DrivingLog.ReportLost(log, to, problem);
        }
        finally
        {
            Interlocked.Decrement(ref underWay);
        }
    }
}
