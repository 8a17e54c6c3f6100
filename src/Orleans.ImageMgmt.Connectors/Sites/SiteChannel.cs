using System.Net.WebSockets;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Messages over one socket. One receives at a time; many may send.</summary>
internal sealed class SiteChannel(WebSocket socket, TimeProvider time) : IDisposable
{
    /// <summary>Longest message: a manifest of 4 MiB in base64, and what goes with it.</summary>
    private const int MaxLength = 6 << 20;

    private const int FirstBuffer = 4 << 10;

    /// <summary>Longest time for one message to be taken by the other side.</summary>
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(60);

    private readonly SemaphoreSlim sending = new(1);
    private byte[] buffer = new byte[FirstBuffer];

    /// <exception cref="IOException">The line is broken, or the other side takes nothing.</exception>
    public async Task SendAsync(SiteMessage message, CancellationToken cancellationToken)
    {
        using var enough = new CancellationTokenSource(SendTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, cancellationToken);
        try
        {
            await sending.WaitAsync(either.Token);
            try
            {
                await socket.SendAsync(message.Encode().AsMemory(), WebSocketMessageType.Text, endOfMessage: true, either.Token);
            }
            finally
            {
                sending.Release();
            }
        }
        catch (Exception broken) when (IsBroken(broken, cancellationToken))
        {
            throw new IOException($"The line broke: {broken.Message}", broken);
        }
    }

    /// <summary>The next message; null when the other side closed the line.</summary>
    /// <exception cref="IOException">The line is broken, or what came is no message.</exception>
    public async Task<SiteMessage?> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            for (var length = 0; ;)
            {
                var part = await socket.ReceiveAsync(buffer.AsMemory(length), cancellationToken);
                length += part.Count;
                if (part.MessageType == WebSocketMessageType.Close)
                {
                    return null;
                }

                if (part.EndOfMessage)
                {
                    return SiteMessage.Decode(buffer.AsSpan(0, length));
                }

                if (length == buffer.Length)
                {
                    Array.Resize(ref buffer, length < MaxLength ? length * 2 : throw new IOException($"A message of more than {MaxLength} bytes came."));
                }
            }
        }
        catch (Exception broken) when (IsBroken(broken, cancellationToken))
        {
            throw new IOException($"The line broke: {broken.Message}", broken);
        }
    }

    /// <summary>Says that nothing more comes from here. That the other side is gone already is as good.</summary>
    public async Task CloseAsync()
    {
        using var enough = new CancellationTokenSource(SendTimeout, time);
        try
        {
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, enough.Token);
        }
        catch (Exception gone) when (IsBroken(gone, CancellationToken.None))
        {
        }
    }

    public void Dispose() => sending.Dispose();

    private static bool IsBroken(Exception trouble, CancellationToken asked) =>
        trouble is WebSocketException or ObjectDisposedException or InvalidOperationException || (trouble is OperationCanceledException && !asked.IsCancellationRequested);
}
