using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

/// <summary>A temporary folder with seeded images and handles in it; gone at the end of the test.</summary>
internal sealed class Bench : IDisposable
{
    public const int MiB = 1 << 20;

    private readonly List<SafeFileHandle> open = [];

    public Bench() => Folder = Directory.CreateTempSubdirectory("imagemgmt-").FullName;

    public string Folder { get; }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public string PathOf(string name) => Path.Combine(Folder, name);

    public SafeFileHandle Open(string name, FileAccess access = FileAccess.ReadWrite)
    {
        var handle = File.OpenHandle(PathOf(name), FileMode.OpenOrCreate, access, FileShare.ReadWrite);
        open.Add(handle);
        return handle;
    }

    /// <summary>A raw file with data in seeded places, some of it zeros that are allocated, aged so that sealing need not wait.</summary>
    public SafeFileHandle MakeImage(string name, Random random, long length, int extents)
    {
        var file = Open(name);
        RandomAccess.SetLength(file, length);
        for (var i = 0; i < extents && length > 0; i++)
        {
            var at = random.NextInt64(length);
            var bytes = new byte[Math.Min(length - at, random.Next(1, 3 * MiB))];
            if (random.Next(4) > 0)
            {
                random.NextBytes(bytes);
            }

            RandomAccess.Write(file, bytes, at);
        }

        return file;
    }

    public async Task<LocalContentReader> SealAsync(string name, SafeFileHandle source)
    {
        var target = Open(name);
        using var image = new RawDouble(source);
        var result = await Sealer.SealAsync(image, source, target, new SealOptions(), SilentObserver.Instance, Token);
        return new LocalContentReader(target, result.Manifest);
    }

    public string Sha256(string name)
    {
        using var stream = new FileStream(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return "sha256:" + Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    public void Dispose()
    {
        foreach (var handle in open)
        {
            handle.Dispose();
        }

        Directory.Delete(Folder, recursive: true);
    }
}

/// <summary>A raw file as a disk; optionally does something before each read.</summary>
internal sealed class RawDouble(SafeFileHandle file, Action<long>? beforeRead = null, SourceFormat format = SourceFormat.Raw, long? length = null) : DiskImage
{
    public override SourceFormat Format => format;

    public override ContentKind Kind => format == SourceFormat.Iso ? ContentKind.File : ContentKind.Disk;

    public override long Length { get; } = length ?? RandomAccess.GetLength(file);

    public override int Read(long offset, Span<byte> buffer)
    {
        beforeRead?.Invoke(offset);

        // Short reads are allowed by the contract: give at most 300,001 bytes at once.
        return RandomAccess.Read(file, buffer[..Math.Min(buffer.Length, 300_001)], offset);
    }

    public override DiskRange? NextData(long offset) => SparseFile.NextData(file, offset);
}

/// <summary>Hears everything; may interrupt.</summary>
internal sealed class Recorder : ITransferObserver
{
    private long travelled;

    public List<int> Requested { get; } = [];

    public List<int> Staged { get; } = [];

    public (int Needed, int Staged, long Bytes) Plan { get; private set; }

    public long Passed { get; private set; }

    public Action<int>? OnRequested { get; init; }

    public Action<int>? OnStaged { get; init; }

    public Action? OnAdvanced { get; init; }

    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded) => Plan = (chunksNeeded, chunksStaged, bytesNeeded);

    public void ChunkRequested(int chunk)
    {
        Requested.Add(chunk);
        OnRequested?.Invoke(chunk);
    }

    public void ChunkStaged(int chunk, int length)
    {
        Staged.Add(chunk);
        OnStaged?.Invoke(chunk);
    }

    public long BytesTravelled => Interlocked.Read(ref travelled);

    public void Travelled(int bytes) => Interlocked.Add(ref travelled, bytes);

    public int Advances { get; private set; }

    public void Advanced(long bytes, long total)
    {
        Passed = bytes;
        Advances++;
        OnAdvanced?.Invoke();
    }
}

/// <summary>A reader as of another machine: no local file; may change what it hands out.</summary>
internal sealed class RemoteDouble(LocalContentReader inner, Action<long, Memory<byte>>? afterRead = null, Func<long, CancellationToken, Task>? beforeRead = null) : IContentReader
{
    private int active;
    private int mostActive;

    public ContentManifest Manifest => inner.Manifest;

    public SafeFileHandle? LocalFile => null;

    public int MostActive => mostActive;

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var now = Interlocked.Increment(ref active);
        InterlockedMax(now);
        if (beforeRead is not null)
        {
            await beforeRead(offset, cancellationToken);
        }

        await inner.ReadAsync(offset, buffer, cancellationToken);
        afterRead?.Invoke(offset, buffer);
        Interlocked.Decrement(ref active);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private void InterlockedMax(int value)
    {
        for (var seen = mostActive; value > seen; seen = mostActive)
        {
            Interlocked.CompareExchange(ref mostActive, value, seen);
        }
    }
}
