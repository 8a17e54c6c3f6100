using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>A connection on which anything may be written: no client library corrects it.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly TcpClient client = new();

    /// <summary>What <see cref="Seen"/> says of a connection that nothing came on and that is open.</summary>
    public const string Nothing = "nothing";

    public NetworkStream Stream => client.GetStream();

    public static async Task<RawConnection> OpenAsync(Uri address)
    {
        var made = new RawConnection();
        await made.client.ConnectAsync(address.Host, address.Port, DoorsHost.Stop);
        return made;
    }

    public Task WriteAsync(string text) => Stream.WriteAsync(Encoding.Latin1.GetBytes(text), DoorsHost.Stop).AsTask();

    /// <summary>Everything until the other side closes; a reset is an end too. Fails when it does not close in time.</summary>
    public async Task<string> ReadToEndAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(DoorsHost.Stop);
        limit.CancelAfter(DoorsHost.Limit);
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await Stream.ReadAsync(buffer, limit.Token) is > 0 and var read)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (IOException)
        {
        }
        catch (OperationCanceledException) when (!DoorsHost.Stop.IsCancellationRequested)
        {
            Assert.Fail($"The server keeps the connection. So far: {text}");
        }

        return text.ToString();
    }

    /// <summary>The first line of an answer.</summary>
    public async Task<string> StatusLineAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(DoorsHost.Stop);
        limit.CancelAfter(DoorsHost.Limit);
        var line = new StringBuilder();
        var one = new byte[1];
        while (await Stream.ReadAsync(one, limit.Token) == 1 && one[0] != '\n')
        {
            line.Append((char)one[0]);
        }

        return line.ToString().TrimEnd();
    }

    /// <summary>What has come so far, without waiting.</summary>
    public string Seen()
    {
        var buffer = new byte[4096];
        return client.Client.Poll(0, System.Net.Sockets.SelectMode.SelectRead) ? $"'{Encoding.Latin1.GetString(buffer, 0, Stream.Read(buffer))}'" : Nothing;
    }

    public void Dispose() => client.Dispose();
}
