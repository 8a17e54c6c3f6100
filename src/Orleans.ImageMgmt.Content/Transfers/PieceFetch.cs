namespace Orleans.ImageMgmt.Content;

/// <summary>Where one piece lies.</summary>
internal readonly record struct PiecePlace(int Chunk, long Offset, int Length, bool First, bool Last);

/// <summary>One piece on its way into a buffer.</summary>
internal sealed class PieceFetch : IDisposable
{
    private readonly PieceBuffer buffer = PieceBuffers.Rent();
    private readonly ReceiveOptions options;
    private readonly ITransferObserver observer;
    private readonly CancellationTokenSource stop;
    private readonly TaskCompletionSource allowed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task arriving;
    private Task reading = Task.CompletedTask;

    private PieceFetch(IContentReader source, PiecePlace place, ReceiveOptions options, ITransferObserver observer, Task before, CancellationToken cancellationToken)
    {
        (this.options, this.observer) = (options, observer);
        Place = place;
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        arriving = ReadAsync(source, before);
    }

    public PiecePlace Place { get; }

    /// <summary>Ends when the limit of rate has let all of the piece through, or when it is given up: the next piece's turn.</summary>
    public Task Allowed => allowed.Task;

    /// <param name="before">The piece waits for it where there is a limit of rate: on a slow link the first piece comes first, not all a bit.</param>
    public static PieceFetch Begin(IContentReader source, PiecePlace place, ReceiveOptions options, ITransferObserver observer, Task before, CancellationToken cancellationToken) =>
        new(source, place, options, observer, before, cancellationToken);

    /// <summary>Waits for the piece on the transfer's own thread; translates how the source fails.</summary>
    public ReadOnlySpan<byte> Await()
    {
        try
        {
            arriving.WaitAsync(stop.Token).GetAwaiter().GetResult();
            return buffer.Span[..Place.Length];
        }
        catch (EndOfStreamException trouble)
        {
            throw new SourceCorruptException(Place.Chunk, Place.Offset, $"The source ends inside chunk {Place.Chunk}: {trouble.Message}", trouble);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            throw new SourceUnreadableException(Place.Chunk, Place.Offset, trouble);
        }
    }

    public void Dispose()
    {
        // A reader that does not listen to the token may still write into the buffer: it goes back only when the read itself is over.
        stop.Cancel();
        _ = FreeAsync();
    }

    private async Task ReadAsync(IContentReader source, Task before)
    {
        try
        {
            var throttle = options.ThrottleOf(source);
            if (throttle is not null)
            {
                await before.WaitAsync(stop.Token);
            }

            for (var done = 0; done < Place.Length;)
            {
                var part = throttle is null ? Place.Length : await throttle(Place.Offset + done, Place.Length - done, stop.Token);
                if (done + part == Place.Length)
                {
                    allowed.TrySetResult();
                }

                reading = source.ReadAsync(Place.Offset + done, buffer.Memory.Slice(done, part), stop.Token).AsTask();
                await reading.WaitAsync(options.StallTimeout, options.TimeProvider, stop.Token);
                observer.Travelled(part);
                done += part;
            }
        }
        finally
        {
            allowed.TrySetResult();
        }
    }

    private async Task FreeAsync()
    {
        await arriving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        PieceBuffers.Return(buffer);
        stop.Dispose();
    }
}
