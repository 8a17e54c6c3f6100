using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Orleans.ImageMgmt.Content;

/// <summary>SHA-256 over all bytes in order, on a thread of its own behind the reader. SHA-256 cannot be split, so this is the longest lane of
/// sealing; everything else happens beside it.</summary>
internal sealed class SerialHash : IDisposable
{
    /// <summary>Pieces that may wait: enough to ride out a slow write, and the bound of memory.</summary>
    private const int QueueLength = 16;

    private static readonly byte[] Zeros = new byte[PieceBuffers.PieceLength];

    private readonly BlockingCollection<(PieceBuffer? Buffer, long Length)> queue = new(QueueLength);
    private readonly CancellationTokenSource stop;
    private readonly Task<byte[]> hashing;

    public SerialHash(CancellationToken cancellationToken)
    {
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Token = stop.Token;
        hashing = PieceBuffers.RunAsync(Hash, CancellationToken.None);
    }

    /// <summary>Stops when the caller cancels or hashing fails.</summary>
    public CancellationToken Token { get; }

    /// <summary>The buffer goes back to the pool when it is hashed.</summary>
    public void Append(PieceBuffer buffer, int length) => queue.Add((buffer, length), Token);

    public void AppendZeros(long length) => queue.Add((null, length), Token);

    public static void AppendZeros(IncrementalHash hash, long length)
    {
        for (; length > 0; length -= Zeros.Length)
        {
            hash.AppendData(Zeros, 0, (int)Math.Min(length, Zeros.Length));
        }
    }

    /// <summary>No more bytes come.</summary>
    public void Complete() => queue.CompleteAdding();

    /// <summary>The digest of everything appended, after <see cref="Complete"/>.</summary>
    public Task<byte[]> FinishAsync() => hashing;

    /// <summary>Ends the thread after the reader failed. Throws only what made hashing itself fail.</summary>
    public async Task AbandonAsync()
    {
        await stop.CancelAsync();
        try
        {
            await hashing;
        }
        catch (OperationCanceledException)
        {
            // It was stopped; whoever stopped it tells why.
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        stop.Dispose();
        queue.Dispose();
    }

    private byte[] Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            foreach (var (buffer, length) in queue.GetConsumingEnumerable(Token))
            {
                if (buffer is null)
                {
                    AppendZeros(hash, length);
                    continue;
                }

                hash.AppendData(buffer.Span[..(int)length]);
                PieceBuffers.Return(buffer);
            }
        }
        catch
        {
            // The reader must not wait for room in a queue that nobody empties.
            stop.Cancel();
            throw;
        }

        return hash.GetHashAndReset();
    }
}
