using System.Net;
using System.Net.Sockets;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>A line to the server that can be cut: connections end in the middle, and none can be made while it is down.</summary>
internal sealed class BadLine : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource end = new();
    private readonly Lock gate = new();
    private readonly List<Socket> open = [];
    private readonly Uri server;
    private readonly Task accepting;
    private volatile bool isDown;
    private int made;

    public BadLine(Uri server)
    {
        this.server = server;
        listener.Start();
        accepting = AcceptAsync();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    /// <summary>Connections that were tried so far.</summary>
    public int Tried => Volatile.Read(ref made);

    public void Cut(bool stayDown)
    {
        isDown = stayDown;
        lock (gate)
        {
            foreach (var socket in open)
            {
                socket.Close(0); // a reset, not a polite end
            }

            open.Clear();
        }
    }

    public void Mend() => isDown = false;

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        listener.Stop();
        Cut(stayDown: true);
        await accepting;
        end.Dispose();
    }

    private async Task AcceptAsync()
    {
        var pumps = new List<Task>();
        try
        {
            while (true)
            {
                var near = await listener.AcceptTcpClientAsync(end.Token);
                Interlocked.Increment(ref made);
                if (isDown)
                {
                    near.Client.Close(0);
                    continue;
                }

                var far = new TcpClient();
                await far.ConnectAsync(server.Host, server.Port, end.Token);
                lock (gate)
                {
                    open.AddRange([near.Client, far.Client]);
                }

                pumps.Add(PumpAsync(near, far));
                pumps.Add(PumpAsync(far, near));
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(pumps);
        }
    }

    private static async Task PumpAsync(TcpClient from, TcpClient to)
    {
        try
        {
            await from.GetStream().CopyToAsync(to.GetStream());
        }
        catch (Exception ended) when (ended is IOException or ObjectDisposedException or InvalidOperationException or SocketException)
        {
            // cut, as meant
        }
        finally
        {
            from.Dispose();
            to.Dispose();
        }
    }
}
