using System.Net.Sockets;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// Asks again when a connection broke after the request may have arrived. Only for requests that carry their own operation id: the same id again is the
/// same operation, so nothing is begun twice.
/// </summary>
internal static class Repeat
{
    /// <summary>Times that a broken request is sent again. Default: 3.</summary>
    private const int Limit = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <param name="run">Says what happens.</param>
    /// <param name="operation">The operation's id, for whoever interrupts this.</param>
    /// <param name="ask">Sends the request.</param>
    /// <param name="stop">Ctrl-C.</param>
    public static async Task<T> WhenCutAsync<T>(Invocation run, string operation, Func<Task<T>> ask, CancellationToken stop)
    {
        for (var again = 0; ; again++)
        {
            try
            {
                return await ask();
            }
            catch (Exception cut) when (again < Limit && MayHaveArrived(cut) && !stop.IsCancellationRequested)
            {
                run.Hint("The connection broke; asking again.");
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

    private static bool MayHaveArrived(Exception problem) => problem is TimeoutException || (problem is HttpRequestException network && !NeverArrived(network));

    private static bool NeverArrived(HttpRequestException problem) => problem.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError
        || problem.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostUnreachable or SocketError.NetworkUnreachable };
}
