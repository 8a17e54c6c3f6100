using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Breaks a transfer on purpose; the decorator that threw it recognises it by what the reader remembers.</summary>
internal sealed class InjectedBreakException(string message) : IOException(message);

/// <summary>Gives out a copy's bytes with the faults of one call. Hides the local file, so that every byte passes through here and is
/// hashed by whoever receives it.</summary>
internal sealed class FaultyReader(IContentReader inner, FaultTurn turn, bool ownsInner = false) : IContentReader
{
    private readonly Lock gate = new();
    private readonly long start = turn.Script.Time.GetTimestamp();
    private long needed = inner.Manifest.DataLength;
    private long given;
    private long paced;

    public ContentManifest Manifest => inner.Manifest;

    public SafeFileHandle? LocalFile => null;

    /// <summary>The rule that broke this transfer, when one did.</summary>
    public FaultRule? Broken { get; private set; }

    public long Given => Interlocked.Read(ref given);

    /// <summary>How many bytes this call has to move: what a percentage is of.</summary>
    public void Plan(long bytesNeeded) => Interlocked.Exchange(ref needed, bytesNeeded);

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await SlowAsync(buffer.Length, cancellationToken);
        var rule = turn.Current is { IsInside: true } current && Reaches(current, offset, buffer.Length) ? current : null;
        if (rule is { Kind: FaultKind.Stall } && turn.Fire(rule, $"nothing moved for {rule.Pause.TotalSeconds:0.#} s at byte {offset}"))
        {
            await Task.Delay(rule.Pause, turn.Script.Time, cancellationToken);
        }
        else if (rule is { Kind: FaultKind.Refuse or FaultKind.NoRoom or FaultKind.Lie })
        {
            Break(rule, offset);
        }

        await inner.ReadAsync(offset, buffer, cancellationToken);
        if (rule is { Kind: FaultKind.Corrupt })
        {
            Corrupt(rule, offset, buffer.Span);
        }

        Interlocked.Add(ref given, buffer.Length);
    }

    public ValueTask DisposeAsync() => ownsInner ? inner.DisposeAsync() : ValueTask.CompletedTask;

    private bool Reaches(FaultRule rule, long offset, int length)
    {
        if (rule.Chunk is { } chunk)
        {
            var from = (long)chunk * Manifest.ChunkSize;
            return from < offset + length && offset < from + Manifest.ChunkSize;
        }

        var percent = rule.AfterPercent ?? (rule.Kind == FaultKind.Lie ? HalfWay : 0);
        return Interlocked.Read(ref given) + length > Interlocked.Read(ref needed) * percent / 100;
    }

    private void Break(FaultRule rule, long offset)
    {
        lock (gate)
        {
            var what = rule.Kind switch
            {
                FaultKind.Lie => "stopped taking bytes and will claim to have them all",
                FaultKind.NoRoom => "ran out of room",
                _ => "the connection broke",
            };
            if (Broken is null && turn.Fire(rule, $"{what} at byte {offset}, after {Given} bytes"))
            {
                Broken = rule;
            }

            if (Broken is not null)
            {
                throw new InjectedBreakException($"Broken by the fault plan: {rule.Text}.");
            }
        }
    }

    private void Corrupt(FaultRule rule, long offset, Span<byte> bytes)
    {
        var at = rule.Chunk is { } chunk ? Math.Max(0, ((long)chunk * Manifest.ChunkSize) - offset) : bytes.Length / 2;
        if (turn.Fire(rule, $"changed the byte at {offset + at} on its way (chunk {(offset + at) / Manifest.ChunkSize})"))
        {
            bytes[(int)at] ^= 0xFF;
        }
    }

    private async ValueTask SlowAsync(int length, CancellationToken cancellationToken)
    {
        if (turn.Slow is not { } slow)
        {
            return;
        }

        TimeSpan wait;
        lock (gate)
        {
            if (paced == 0)
            {
                turn.Fire(slow, $"bytes come at {slow.BytesPerSecond} a second");
            }

            paced += length;
            wait = TimeSpan.FromSeconds((double)paced / slow.BytesPerSecond) - turn.Script.Time.GetElapsedTime(start);
        }

        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, turn.Script.Time, cancellationToken);
        }
    }

    /// <summary>A lie with no place stops half-way, so that some chunks are there and some are missing.</summary>
    private const double HalfWay = 50;
}

/// <summary>An offer whose every byte passes through a <see cref="FaultyReader"/>.</summary>
/// <remarks>The stream is not checked on the way out, so that the receiving side has to notice. Bytes that a platform fetches from an
/// address do not pass through here: for such pods only faults at the beginning of a call apply.</remarks>
internal sealed class FaultyOffer(IContentOffer inner, FaultyReader reader) : IContentOffer
{
    public Domain.ContentDescription Content => inner.Content;

    public ContentManifest Manifest => inner.Manifest;

    public IContentReader Reader => reader;

    public Func<int, CancellationToken, ValueTask<int>>? Throttle => inner.Throttle;

    public Stream OpenArtefact() => new ArtefactStream(reader, isChecked: false, Throttle);

    public Task<Uri?> GetArtefactAddressAsync(CancellationToken cancellationToken) => inner.GetArtefactAddressAsync(cancellationToken);
}

/// <summary>Tells the reader how much a transfer needs, and the real observer everything.</summary>
internal sealed class FaultyObserver(ITransferObserver inner, FaultyReader reader) : ITransferObserver
{
    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
    {
        reader.Plan(bytesNeeded);
        inner.Planned(chunksNeeded, chunksStaged, bytesNeeded);
    }

    public void ChunkRequested(int chunk) => inner.ChunkRequested(chunk);

    public void ChunkStaged(int chunk, int length) => inner.ChunkStaged(chunk, length);

    public void Travelled(int bytes) => inner.Travelled(bytes);

    public void Advanced(long bytes, long total) => inner.Advanced(bytes, total);
}
