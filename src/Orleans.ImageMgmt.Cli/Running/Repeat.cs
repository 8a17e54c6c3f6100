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

    public static async Task<T> WhenCutAsync<T>(Invocation run, Func<Task<T>> ask, CancellationToken stop)
    {
        for (var again = 0; ; again++)
        {
            try
            {
                return await ask();
            }
            catch (HttpRequestException cut) when (again < Limit && !NeverArrived(cut) && !stop.IsCancellationRequested)
            {
                run.Hint("The connection broke; asking again.");
                await Task.Delay(Pause, run.Screen.Time, stop);
            }
        }
    }

    private static bool NeverArrived(HttpRequestException problem) => problem.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError
        || problem.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostUnreachable or SocketError.NetworkUnreachable };
}
