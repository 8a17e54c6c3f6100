using System.Security.Cryptography;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>One copy on a simulated pod: per chunk its bytes, or only the digest of the bytes that came.</summary>
internal sealed class SimulatedCopy(ContentManifest manifest, ContentDescription content, Generation generation, bool keepsBytes)
{
    private readonly byte[]?[] bytes = new byte[]?[keepsBytes ? manifest.ChunkCount : 0];
    private readonly byte[]?[] digests = new byte[]?[keepsBytes ? 0 : manifest.ChunkCount];

    public ContentManifest Manifest => manifest;

    public ContentDescription Content => content;

    public Generation Generation { get; set; } = generation;

    /// <summary>Set when the copy is final.</summary>
    public Receipt? Receipt { get; set; }

    public long BytesSent { get; set; }

    /// <summary>A verification found it bad: no copy any more until it is repaired.</summary>
    public bool IsDamaged { get; set; }

    /// <summary>How often the platform has been asked whether it has finished.</summary>
    public int Polls { get; set; }

    public bool Holds(int chunk) => keepsBytes ? bytes[chunk] is not null : digests[chunk] is not null;

    public void Put(int chunk, ReadOnlySpan<byte> data)
    {
        if (keepsBytes)
        {
            bytes[chunk] = data.ToArray();
        }
        else
        {
            digests[chunk] = SHA256.HashData(data);
        }
    }

    public void Drop(int chunk)
    {
        if (keepsBytes)
        {
            bytes[chunk] = null;
        }
        else
        {
            digests[chunk] = null;
        }
    }

    /// <summary>Changes what is held, as a bad disk would.</summary>
    public void Damage(int chunk)
    {
        var held = (keepsBytes ? bytes[chunk] : digests[chunk]) ?? throw new InvalidOperationException($"Chunk {chunk} is not held.");
        held[held.Length / 2] ^= 0xFF;
    }

    /// <summary>Reads back: is this chunk what the manifest says?</summary>
    public bool IsRight(int chunk)
    {
        if (manifest.IsZero(chunk))
        {
            return !Holds(chunk);
        }

        return keepsBytes
            ? bytes[chunk] is { } data && manifest.Matches(chunk, SHA256.HashData(data))
            : digests[chunk] is { } digest && manifest.Matches(chunk, digest);
    }

    public void CopyTo(int chunk, int within, Span<byte> target)
    {
        if (bytes[chunk] is { } data)
        {
            data.AsSpan(within, target.Length).CopyTo(target);
        }
        else
        {
            target.Clear();
        }
    }

    public long BytesHeld()
    {
        long sum = 0;
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            sum += Holds(chunk) ? manifest.LengthOf(chunk) : 0;
        }

        return sum;
    }
}

/// <summary>What a simulated pod holds. Outlives its connectors, as a real pod does.</summary>
internal sealed class SimulatedStore
{
    private readonly HashSet<VersionId> busy = [];

    public Lock Gate { get; } = new();

    public Dictionary<VersionId, Generation> Generations { get; } = [];

    public Dictionary<VersionId, SimulatedCopy> Final { get; } = [];

    public Dictionary<VersionId, SimulatedCopy> Staged { get; } = [];

    public Dictionary<string, SimulatedSource> Sources { get; } = new(StringComparer.Ordinal);

    public long Used()
    {
        lock (Gate)
        {
            return Final.Values.Sum(copy => copy.BytesHeld()) + Staged.Values.Sum(copy => copy.BytesHeld());
        }
    }

    public bool TryOccupy(VersionId version)
    {
        lock (Gate)
        {
            return busy.Add(version);
        }
    }

    public void Release(VersionId version)
    {
        lock (Gate)
        {
            busy.Remove(version);
        }
    }
}

/// <summary>Ranged reads of a copy in memory.</summary>
internal sealed class SimulatedReader(SimulatedCopy copy) : IContentReader
{
    public ContentManifest Manifest => copy.Manifest;

    public Microsoft.Win32.SafeHandles.SafeFileHandle? LocalFile => null;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (offset + buffer.Length > Manifest.Length)
        {
            throw new EndOfStreamException($"The copy ends at byte {Manifest.Length}.");
        }

        for (var done = 0; done < buffer.Length;)
        {
            var chunk = (int)((offset + done) / Manifest.ChunkSize);
            var within = (int)(offset + done - Manifest.OffsetOf(chunk));
            var count = Math.Min(buffer.Length - done, Manifest.LengthOf(chunk) - within);
            copy.CopyTo(chunk, within, buffer.Span.Slice(done, count));
            done += count;
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
