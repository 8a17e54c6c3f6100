using System.Buffers;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>What is read from whichever pod gives a piece. Returns the bytes that were written.</summary>
internal delegate ValueTask<int> PieceRead(IContentReader from, Memory<byte> target, CancellationToken cancellationToken);

/// <summary>One piece, and the pod that gives it.</summary>
internal sealed class PieceSource(PieceOrder order, long since, Func<CancellationToken, Task<IContentReader>>? open) : IDisposable
{
    private readonly Lock gate = new();
    private readonly CancellationTokenSource stop = new();
    private Task<IContentReader>? opening;
    private Task cancelling = Task.CompletedTask;
    private bool isClosed;
    private int users;
    private bool isOver;
    private TimeSpan toldLateAt;

    public int Piece => order.Piece;

    public PodName Pod => order.Source;

    public bool IsOrigin => open is null;

    public long Since => since;

    /// <summary>Its reader, once that is open.</summary>
    public IContentReader? Opened
    {
        get
        {
            lock (gate)
            {
                return opening is { IsCompletedSuccessfully: true } opened ? opened.Result : null;
            }
        }
    }

    /// <summary>Set by whoever found it failing first.</summary>
    public Task? Replacing { get; set; }

    /// <summary>True when it takes longer than so long, and again each time that it has taken so much longer.</summary>
    public bool IsLate(TimeProvider time, TimeSpan limit)
    {
        var age = time.GetElapsedTime(since);
        if (age < toldLateAt + limit)
        {
            return false;
        }

        toldLateAt = age;
        return true;
    }

    /// <summary>Reads through a buffer of its own: a read that was given up may still write into it.</summary>
    /// <exception cref="IOException">The pod fails.</exception>
    /// <exception cref="TimeoutException">It gave nothing for too long.</exception>
    /// <exception cref="OperationCanceledException">Somebody else gives the piece now.</exception>
    public async Task<int> ReadAsync(PieceRead read, Memory<byte> target, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        Enter();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop.Token, cancellationToken);
        var bytes = ArrayPool<byte>.Shared.Rent(target.Length);
        var reading = ReadAsync(read, bytes.AsMemory(0, target.Length), either.Token);
        _ = reading.ContinueWith(
            done =>
            {
                _ = done.Exception;
                Leave();
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        var length = await reading.WaitAsync(limit, time, either.Token);
        bytes.AsMemory(0, length).CopyTo(target);
        ArrayPool<byte>.Shared.Return(bytes); // one of a read that was given up is left to the collector
        return length;
    }

    /// <summary>Nothing more is read from here; the reader is closed when the last read has come back.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (isOver)
            {
                return;
            }

            isOver = true;
            cancelling = stop.CancelAsync(); // whoever waits is woken on another thread
        }

        CloseWhenUnused();
    }

    private async Task<int> ReadAsync(PieceRead read, Memory<byte> target, CancellationToken cancellationToken)
    {
        Task<IContentReader> reader;
        lock (gate)
        {
            reader = opening ??= open!(stop.Token);
        }

        return await read(await reader.WaitAsync(cancellationToken), target, cancellationToken);
    }

    private void Enter()
    {
        lock (gate)
        {
            if (isOver)
            {
                throw new OperationCanceledException($"Pod {Pod} is no longer asked for piece {Piece}.");
            }

            users++;
        }
    }

    private void Leave()
    {
        lock (gate)
        {
            users--;
        }

        CloseWhenUnused();
    }

    private void CloseWhenUnused()
    {
        lock (gate)
        {
            if (!isOver || users > 0 || isClosed)
            {
                return;
            }

            isClosed = true;
        }

        _ = CloseAsync();
    }

    private async Task CloseAsync()
    {
        await cancelling;
        stop.Dispose();
        if (opening is { } opened)
        {
            await ((Task)opened).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            if (opened.IsCompletedSuccessfully)
            {
                await (await opened).DisposeAsync();
            }
        }
    }
}
