using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors.Conformance;

/// <summary>A disk in memory as the sending side would offer it, with faults a test can switch on. Counts what is asked of it.</summary>
public sealed class OfferedDisk : IContentReader
{
    /// <summary>Bytes and digests by kind and seed: made once, for every test needs the same few.</summary>
    private static readonly ConcurrentDictionary<(bool Small, int Seed), OfferedDisk> Made = new();

    private readonly byte[] bytes;
    private readonly Lock gate = new();
    private readonly List<int> reads = [];

    private OfferedDisk(byte[] bytes)
    {
        this.bytes = bytes;
        var chunkSize = ContentManifest.ChunkSizeFor(bytes.Length);
        var chunks = (bytes.Length + chunkSize - 1) / chunkSize;
        var digests = new byte[chunks * Digest.ByteLength];
        for (var chunk = 0; chunk < chunks; chunk++)
        {
            var span = bytes.AsSpan(chunk * chunkSize, Math.Min(chunkSize, bytes.Length - (chunk * chunkSize)));
            if (span.ContainsAnyExcept((byte)0))
            {
                SHA256.HashData(span, digests.AsSpan(chunk * Digest.ByteLength));
            }
        }

        var whole = Digest.FromBytes(SHA256.HashData(bytes));
        Manifest = new ContentManifest(bytes.Length, chunkSize, whole, digests);
        Content = new ContentDescription(
            ContentKind.Disk, whole, bytes.Length, Manifest.DataLength, Manifest.ComputeDigest(), chunkSize, Manifest.DataChunks, SourceFormat.Raw, bytes.Length, whole);
    }

    private OfferedDisk(OfferedDisk same)
    {
        bytes = same.bytes;
        Manifest = same.Manifest;
        Content = same.Content;
    }

    public ContentManifest Manifest { get; }

    public ContentDescription Content { get; }

    public ReadOnlyMemory<byte> Bytes => bytes;

    /// <summary>Hidden, so that receivers hash what comes.</summary>
    public SafeFileHandle? LocalFile => null;

    /// <summary>Chunks whose bytes are wrong whenever they are read.</summary>
    public HashSet<int> Corrupt { get; } = [];

    /// <summary>Runs before each read with the number of the read (from 0); throw to break it.</summary>
    public Func<int, CancellationToken, Task>? BeforeRead { get; set; }

    /// <summary>Chunks read so far, in order.</summary>
    public IReadOnlyList<int> Reads
    {
        get
        {
            lock (gate)
            {
                return [.. reads];
            }
        }
    }

    /// <summary>Nine and a half chunks of 1 MiB, two of them zeros, the last one short.</summary>
    public static OfferedDisk Make(int seed = 1) => new(Made.GetOrAdd((false, seed), static key =>
    {
        var bytes = new byte[(9 * ContentManifest.MinChunkSize) + (ContentManifest.MinChunkSize / 2)];
        new Random(key.Seed).NextBytes(bytes);
        bytes.AsSpan(2 * ContentManifest.MinChunkSize, ContentManifest.MinChunkSize).Clear();
        bytes.AsSpan(5 * ContentManifest.MinChunkSize, ContentManifest.MinChunkSize).Clear();
        return new OfferedDisk(bytes);
    }));

    /// <summary>A small one for lists: one chunk and a bit.</summary>
    public static OfferedDisk MakeSmall(int seed) => new(Made.GetOrAdd((true, seed), static key =>
    {
        var bytes = new byte[ContentManifest.MinChunkSize + 4096];
        new Random(key.Seed).NextBytes(bytes);
        return new OfferedDisk(bytes);
    }));

    public void Forget()
    {
        lock (gate)
        {
            reads.Clear();
        }
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int number;
        lock (gate)
        {
            number = reads.Count;
            reads.Add((int)(offset / Manifest.ChunkSize));
        }

        if (BeforeRead is { } hook)
        {
            await hook(number, cancellationToken);
        }

        bytes.AsMemory((int)offset, buffer.Length).CopyTo(buffer);
        var chunk = (int)(offset / Manifest.ChunkSize);
        if (Corrupt.Contains(chunk))
        {
            buffer.Span[0] ^= 0xFF;
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Writes down what a transfer told.</summary>
public sealed class Recorder : ITransferObserver
{
    private readonly Lock gate = new();
    private readonly List<string> order = [];

    public List<(int Needed, int Staged, long Bytes)> Plans { get; } = [];

    public List<int> Requested { get; } = [];

    public List<int> Staged { get; } = [];

    public List<(long Bytes, long Total)> Advances { get; } = [];

    /// <summary>What came first, second…</summary>
    public IReadOnlyList<string> Order => order;

    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded) => Note("planned", () => Plans.Add((chunksNeeded, chunksStaged, bytesNeeded)));

    public void ChunkRequested(int chunk) => Note("requested", () => Requested.Add(chunk));

    public void ChunkStaged(int chunk, int length) => Note("staged", () => Staged.Add(chunk));

    public void Advanced(long bytes, long total) => Note("advanced", () => Advances.Add((bytes, total)));

    private void Note(string what, Action write)
    {
        lock (gate)
        {
            order.Add(what);
            write();
        }
    }
}
