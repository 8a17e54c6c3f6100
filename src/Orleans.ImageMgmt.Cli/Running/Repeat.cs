using System.Net.Sockets;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// Asks again when a connection broke after the request may have arrived. Only for requests that carry their own operation id: the same id again is the
/// same operation, so nothing is begun twice.
/// </summary>
internal static class Repeat
{
    /// <summary>How long a broken request is sent again. Default: 1 min: a server that was restarted is back by then.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <param name="run">Says what happens.</param>
    /// <param name="operation">The operation's id, for whoever interrupts this.</param>
    /// <param name="ask">Sends the request.</param>
    /// <param name="stop">Ctrl-C.</param>
    public static async Task<T> WhenCutAsync<T>(Invocation run, string operation, Func<Task<T>> ask, CancellationToken stop)
    {
        long? cutAt = null;
        while (true)
        {
            try
            {
                return await ask();
            }
            catch (Exception cut) when (IsWorthAsking(run, cut, cutAt) && !stop.IsCancellationRequested)
            {
                if (cutAt is null)
                {
                    cutAt = run.Screen.Time.GetTimestamp();
                    run.Hint("The connection broke; asking again.");
                }

                await PauseAsync(run, operation, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                throw Interrupted(operation);
            }
        }
    }

    private static async Task PauseAsync(Invocation run, string operation, CancellationToken stop)
    {
        try
        {
            await Task.Delay(Pause, run.Screen.Time, stop);
        }
        catch (OperationCanceledException)
        {
            throw Interrupted(operation);
        }
    }

    private static CliProblem Interrupted(string operation) =>
        new(ExitCodes.Interrupted, "Interrupted before the server answered; the operation may have begun.", $"See whether it has with: imgctl operation show {operation}");

    /// <summary>After one request that may have arrived, a server that cannot be reached is one that starts again.</summary>
    private static bool IsWorthAsking(Invocation run, Exception problem, long? cutAt) => cutAt is { } since
        ? problem is HttpRequestException or TimeoutException && run.Screen.Time.GetElapsedTime(since) < Limit
        : MayHaveArrived(problem);

    private static bool MayHaveArrived(Exception problem) => problem is TimeoutException || (problem is HttpRequestException network && !NeverArrived(network));

    private static bool NeverArrived(HttpRequestException problem) => problem.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError
        || problem.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostUnreachable or SocketError.NetworkUnreachable };
}
