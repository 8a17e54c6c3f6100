using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

/// <summary>Alone, because one of them counts what the whole process allocates.</summary>
[CollectionDefinition(DisableParallelization = true)]
public class Alone;

[Collection(typeof(Alone))]
public class LimitTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Memory_does_not_grow_with_the_image(bool local)
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.SetLength(source, 1L << 30);
        var bytes = new byte[4 * Bench.MiB];
        new Random(60).NextBytes(bytes);
        for (var i = 0; i < 40; i++)
        {
            RandomAccess.Write(source, bytes, i * 25L * Bench.MiB);
        }

        await using var reader = await bench.SealAsync("sealed", source);
        var staging = bench.Open("staging");
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.True(verified.IsRight);
        Assert.Equal(160L * Bench.MiB, reader.Manifest.DataLength);
        Assert.InRange(allocated, 0, 20L * Bench.MiB);
    }

    [Fact]
    public async Task Chunks_larger_than_a_piece_travel_in_pieces_and_are_proved_whole()
    {
        using var bench = new Bench();
        await using var reader = LargeChunks(bench);
        Assert.Equal(4 * Bench.MiB, reader.Manifest.ChunkSize);
        var largest = 0;
        var lies = 1;
        var remote = new RemoteDouble(reader, (at, bytes) =>
        {
            largest = Math.Max(largest, bytes.Length);
            bytes.Span[5] ^= (byte)(at == reader.Manifest.OffsetOf(2) && Interlocked.Decrement(ref lies) == 0 ? 1 : 0);
        });
        var staging = bench.Open("staging");
        var recorder = new Recorder();
        await CopyReceiver.ReceiveAsync(remote, staging, new ReceiveOptions { Window = 1 }, recorder, Bench.Token);
        var last = reader.Manifest.ChunkCount - 1;
        Assert.Equal(Bench.MiB, largest);
        Assert.Equal([2, 2, 7, last], recorder.Requested);
        Assert.Equal([2, 7, last], recorder.Staged);
        Assert.True((await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token)).IsRight);

        var local = bench.Open("local");
        await CopyReceiver.ReceiveAsync(reader, local, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.True((await CopyVerifier.VerifyAsync(local, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token)).IsRight);

        await using var stream = new ContentStream(reader);
        await stream.ReadExactlyAsync(new byte[13 * Bench.MiB], Bench.Token);
    }

    [Fact]
    public async Task No_more_pieces_are_in_flight_than_the_window_allows()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.Write(source, Enumerable.Repeat((byte)3, 12 * Bench.MiB).ToArray(), 0);
        await using var reader = await bench.SealAsync("sealed", source);
        var full = new TaskCompletionSource();
        var waiting = 0;
        var remote = new RemoteDouble(reader, beforeRead: async (_, token) =>
        {
            if (Interlocked.Increment(ref waiting) == 3)
            {
                full.SetResult();
            }

            await full.Task.WaitAsync(token);
        });
        await CopyReceiver.ReceiveAsync(remote, bench.Open("staging"), new ReceiveOptions { Window = 3 }, SilentObserver.Instance, Bench.Token);
        Assert.Equal(3, remote.MostActive);
    }

    [Fact]
    public async Task A_source_that_gives_nothing_times_out()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(62), 2L << 20, 0);
        RandomAccess.Write(source, [1], 0);
        await using var reader = await bench.SealAsync("sealed", source);
        var dead = new RemoteDouble(reader, beforeRead: (_, _) => new TaskCompletionSource().Task);
        var options = new ReceiveOptions { StallTimeout = TimeSpan.FromMilliseconds(30) };
        await Assert.ThrowsAsync<TimeoutException>(() => CopyReceiver.ReceiveAsync(dead, bench.Open("staging"), options, SilentObserver.Instance, Bench.Token));
    }

    [Fact]
    public async Task A_blocking_read_that_overstays_is_left_behind_and_told_to_end_without_a_trace()
    {
        using var guard = new StallGuard(TimeSpan.FromMilliseconds(30), TimeProvider.System, Bench.Token);
        guard.Enter();
        Assert.True(guard.TryLeave());
        guard.Enter();
        await guard.Stalled.WaitAsync(Bench.Token);
        Assert.False(guard.TryLeave());
        Assert.Throws<OperationCanceledException>(guard.Enter);
    }

    [Fact]
    public async Task Cancelling_does_not_wait_for_a_blocking_read()
    {
        using var stop = new CancellationTokenSource();
        using var guard = new StallGuard(TimeSpan.FromDays(1), TimeProvider.System, stop.Token);
        guard.Enter();
        await stop.CancelAsync();
        await guard.Stalled.WaitAsync(Bench.Token);
        Assert.False(guard.TryLeave());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Every_byte_passes_the_throttle_before_it_is_asked_for(bool local)
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        RandomAccess.Write(source, Enumerable.Repeat((byte)3, (5 * Bench.MiB) + 17).ToArray(), 0);
        await using var reader = await bench.SealAsync("sealed", source);
        long passed = 0;
        long read = 0;
        var options = new ReceiveOptions
        {
            Throttle = async (bytes, _) =>
            {
                await Task.Yield();
                var part = Math.Min(bytes, 300_000);
                Interlocked.Add(ref passed, part);
                return part;
            },
        };
        var remote = new RemoteDouble(reader, (_, bytes) => Assert.True(Interlocked.Add(ref read, bytes.Length) <= Interlocked.Read(ref passed)));
        await CopyReceiver.ReceiveAsync(local ? reader : remote, bench.Open("staging"), options, SilentObserver.Instance, Bench.Token);
        Assert.InRange(passed, reader.Manifest.DataLength, reader.Manifest.DataLength + SparseFile.BlockLength);
    }

    /// <summary>A disk so large that its chunks are 4 MiB, twice the largest direct request, with data in three of them. Its content digest is not computed: nobody here asks for it.</summary>
    private static LocalContentReader LargeChunks(Bench bench)
    {
        const long Length = (300L << 30) + 4_097;
        var file = bench.Open("sealed");
        RandomAccess.SetLength(file, Length);
        var size = ContentManifest.ChunkSizeFor(Length);
        var count = (int)((Length + size - 1) / size);
        var digests = new byte[count * Digest.ByteLength];
        var random = new Random(61);
        foreach (var chunk in (int[])[2, 7, count - 1])
        {
            WriteChunk(file, chunk, (int)Math.Min(size, Length - ((long)chunk * size)), size, random, digests);
        }

        return new LocalContentReader(file, new ContentManifest(Length, size, Digest.FromBytes(new byte[Digest.ByteLength]), digests));
    }

    private static void WriteChunk(SafeFileHandle file, int chunk, int length, int size, Random random, byte[] digests)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        RandomAccess.Write(file, bytes, (long)chunk * size);
        SHA256.HashData(bytes, digests.AsSpan(chunk * Digest.ByteLength, Digest.ByteLength));
    }
}
