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
    private bool isDown; // under the gate
    private int cuts; // under the gate
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
        lock (gate)
        {
            isDown = stayDown;
            cuts++;
            foreach (var socket in open)
            {
                socket.Close(0); // a reset, not a polite end
            }

            open.Clear();
        }
    }

    public void Mend()
    {
        lock (gate)
        {
            isDown = false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        listener.Stop();
        Cut(stayDown: true);
        await accepting;
        end.Dispose();
    }

    private int Cuts()
    {
        lock (gate)
        {
            return cuts;
        }
    }

    /// <summary>False when the line is down, or was cut while this connection was being made: a cut leaves nothing open behind it.</summary>
    private bool Opens(TcpClient near, TcpClient far, int cutsBefore)
    {
        lock (gate)
        {
            if (isDown || cuts != cutsBefore)
            {
                return false;
            }

            open.AddRange([near.Client, far.Client]);
            return true;
        }
    }

    private async Task AcceptAsync()
    {
        var pumps = new List<Task>();
        try
        {
            while (true)
            {
                var near = await listener.AcceptTcpClientAsync(end.Token);
                var cutsBefore = Cuts();
                Interlocked.Increment(ref made);
                var far = new TcpClient();
                await far.ConnectAsync(server.Host, server.Port, end.Token);
                if (!Opens(near, far, cutsBefore))
                {
                    near.Client.Close(0);
                    far.Dispose();
                    continue;
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
