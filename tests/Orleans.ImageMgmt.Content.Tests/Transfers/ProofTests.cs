using System.Diagnostics;
using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

/// <summary>What a receive reads back on its way counts, and counts only for the very bytes that it read.</summary>
public class ProofTests
{
    private static readonly ReceiveOptions Sampled = new() { ReadBack = ReadBackPolicy.Sampled };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_the_receive_has_read_back_is_not_read_again(bool local)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 71);
        var staging = bench.Open("staging");
        var received = await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.NotNull(received.Proof);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof.Chunks);
        Assert.Equal(reader.Manifest.DataLength, received.Proof.BytesRead);

        var heard = new Recorder();
        var verified = await CopyVerifier.VerifyAsync(bench.Open("staging"), reader.Manifest, received.Proof, new VerifyOptions(), heard, Bench.Token);
        Assert.True(verified.IsRight);
        Assert.Equal(reader.Manifest.DataLength, verified.BytesRead);
        Assert.Equal(reader.Manifest.Length, heard.Passed);
    }

    [Fact]
    public async Task Chunks_that_a_resumed_receive_found_staged_are_proved_by_that()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 72);
        var staging = bench.Open("staging");
        using (var stop = new CancellationTokenSource())
        {
            // On the receive's own thread: what is cancelled beside it may come after the last chunk on a busy machine.
            var cut = new Recorder
            {
                OnStaged = chunk =>
                {
                    if (chunk >= 6)
                    {
                        stop.Cancel();
                    }
                },
            };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), cut, stop.Token));
        }

        var received = await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.InRange(received.ChunksStagedBefore, 1, reader.Manifest.DataChunks - 1);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof!.Chunks);
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, received.Proof, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.True(verified.IsRight);
        Assert.Equal(reader.Manifest.DataLength, verified.BytesRead);
    }

    [Theory]
    [InlineData("a byte written")]
    [InlineData("a byte written and the time of modification set back")]
    [InlineData("a byte written through a mapping")]
    [InlineData("a hole punched")]
    [InlineData("cut short and made long again")]
    [InlineData("another file under the name")]
    public async Task A_staging_file_that_was_altered_after_the_receive_is_read_back_whole_and_found_wrong(string how)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 73);
        CopyProof proof;
        using (var staging = File.OpenHandle(bench.PathOf("staging"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            proof = (await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token)).Proof!;
        }

        Alter(how, bench.PathOf("staging"), reader.Manifest.OffsetOf(3) + 5);
        var verified = await CopyVerifier.VerifyAsync(bench.Open("staging"), reader.Manifest, proof, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Contains(3, verified.BadChunks);
        Assert.False(verified.IsRight);
    }

    [Fact]
    public async Task A_proof_says_nothing_about_another_content()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 74);
        var staging = bench.Open("staging");
        var received = await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        using var other = new Bench();
        await using var another = await SealedAsync(other, 75);
        var verified = await CopyVerifier.VerifyAsync(staging, another.Manifest, received.Proof, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(another.Manifest.DataChunks, verified.BadCount);
    }

    [Fact]
    public async Task A_chunk_that_does_not_read_back_right_is_not_proved_and_is_found_by_the_next_read_back()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 76);
        var staging = bench.Open("staging");
        var stranger = bench.Open("staging");
        var rotting = new Recorder { OnStaged = chunk => Flip(stranger, reader.Manifest.OffsetOf(chunk), when: chunk == 4) };
        var received = await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), rotting, Bench.Token);
        Assert.Equal(reader.Manifest.DataChunks - 1, received.Proof!.Chunks);
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, received.Proof, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal([4], verified.BadChunks);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_sample_is_read_back_where_that_is_wanted(bool local)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 78);
        var staging = bench.Open("staging");
        var received = await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), staging, Sampled, SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof!.Chunks);
        Assert.InRange(received.Proof.BytesRead, 1, ((reader.Manifest.DataChunks / ReadBehind.SampleEvery) + 1L) * reader.Manifest.ChunkSize);
        Assert.True((await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token)).IsRight);
    }

    [Fact]
    public async Task One_chunk_of_sixteen_is_the_sample()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 81, mebibytes: 150);
        var received = await CopyReceiver.ReceiveAsync(reader, bench.Open("staging"), Sampled, SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof!.Chunks);
        Assert.Equal((4 + 4 + 2) * Bench.MiB, received.Proof.BytesRead); // batches of 64, 64 and 22 chunks
    }

    [Theory]
    [InlineData(0)]
    [InlineData(70)]
    public async Task A_sample_that_is_wrong_has_everything_read_back(int from)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 79, mebibytes: 150);
        var staging = bench.Open("staging");
        var stranger = bench.Open("staging");
        var rotting = new Recorder { OnStaged = chunk => Flip(stranger, reader.Manifest.OffsetOf(chunk), when: chunk >= from) };
        var received = await CopyReceiver.ReceiveAsync(reader, staging, Sampled, rotting, Bench.Token);
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, received.Proof, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(150 - from, verified.BadCount);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Where_staged_chunks_were_wrong_or_gone_all_that_replaces_them_is_read_back(bool local, bool wrong)
    {
        using var bench = new Bench();
        await using var sealedReader = await SealedAsync(bench, 82, mebibytes: 40);
        IContentReader reader = local ? sealedReader : new RemoteDouble(sealedReader);
        var staging = bench.Open("staging");
        var stranger = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(reader, staging, Sampled, SilentObserver.Instance, Bench.Token);
        int[] damaged = [.. Enumerable.Range(3, 20)];
        foreach (var at in damaged.Select(reader.Manifest.OffsetOf))
        {
            Flip(stranger, at + 77, when: wrong);
            Assert.True(wrong || SparseFile.TryPunchHole(stranger, at, reader.Manifest.ChunkSize));
        }

        var rotting = new Recorder { OnStaged = chunk => Flip(stranger, reader.Manifest.OffsetOf(chunk), when: chunk == 21) };
        var received = await CopyReceiver.ReceiveAsync(reader, staging, Sampled, rotting, Bench.Token);
        Assert.Equal(damaged.Length, received.ChunksRequested);
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, received.Proof, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal([21], verified.BadChunks);
    }

    [Fact]
    public async Task A_source_on_this_machine_whose_bytes_are_wrong_is_found_out_before_they_are_written()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 80);
        using (var stranger = bench.Open("sealed"))
        {
            Flip(stranger, reader.Manifest.OffsetOf(2) + 9, when: true);
        }

        var staging = bench.Open("staging");
        var found = await Assert.ThrowsAsync<SourceCorruptException>(() => CopyReceiver.ReceiveAsync(reader, staging, Sampled, SilentObserver.Instance, Bench.Token));
        Assert.Equal(2, found.Chunk);
        Assert.False(SparseFile.NextData(staging, reader.Manifest.OffsetOf(2)) is { } data && data.Offset < reader.Manifest.OffsetOf(3));
    }

    [Fact]
    public async Task A_transfer_of_several_batches_is_read_back_whole()
    {
        using var bench = new Bench();
        var source = bench.Open("source");
        var bytes = new byte[Bench.MiB];
        var random = new Random(77);
        for (var i = 0; i < 150; i++)
        {
            random.NextBytes(bytes);
            RandomAccess.Write(source, bytes, (long)(i + (i / 50)) * Bench.MiB);
        }

        await using var reader = await bench.SealAsync("sealed", source);
        var staging = bench.Open("staging");
        var received = await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(150, received.Proof!.Chunks);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
    }

    [Fact]
    public async Task A_chunk_written_again_loses_its_proof_also_when_its_read_back_was_under_way()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench, 78);
        var book = new ProofBook(reader.Manifest);
        book.Prove(2, book.TurnOf(2));
        Assert.True(book.IsProved(2));

        var noted = book.TurnOf(2);
        book.Touch(reader.Manifest.OffsetOf(2) + 100, 1);
        Assert.False(book.IsProved(2));
        book.Prove(2, noted);
        Assert.False(book.IsProved(2));

        book.Prove(1, book.TurnOf(1));
        book.Prove(3, book.TurnOf(3));
        book.Touch(reader.Manifest.OffsetOf(2), reader.Manifest.ChunkSize);
        Assert.True(book.IsProved(1));
        Assert.True(book.IsProved(3));
        using var writer = new StagingWriter(bench.Open("staging"), long.MaxValue, book);
        writer.Write(new byte[10], reader.Manifest.OffsetOf(3) - 5);
        writer.Clear(reader.Manifest.OffsetOf(1), 1);
        Assert.DoesNotContain(true, Enumerable.Range(1, 3).Select(book.IsProved));
    }

    /// <summary>Twelve chunks of data and one of zeros at the end.</summary>
    private static async Task<LocalContentReader> SealedAsync(Bench bench, int seed, int mebibytes = 12)
    {
        var source = bench.Open("source");
        var bytes = new byte[mebibytes * Bench.MiB];
        new Random(seed).NextBytes(bytes);
        RandomAccess.Write(source, bytes, 0);
        RandomAccess.SetLength(source, (mebibytes + 1L) * Bench.MiB);
        return await bench.SealAsync("sealed", source);
    }

    private static void Alter(string how, string path, long offset)
    {
        var modified = File.GetLastWriteTimeUtc(path);
        if (how.StartsWith("another", StringComparison.Ordinal))
        {
            File.Copy(path, path + "-other");
            File.SetLastWriteTimeUtc(path + "-other", modified);
            using var other = File.OpenHandle(path + "-other", FileMode.Open, FileAccess.ReadWrite);
            Flip(other, offset);
            File.Move(path + "-other", path, overwrite: true);
            return;
        }

        if (how.EndsWith("mapping", StringComparison.Ordinal))
        {
            using var map = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
            using var view = map.CreateViewAccessor();
            view.Write(offset, (byte)(view.ReadByte(offset) ^ 0x40));
            return;
        }

        Touch(path, path + "-times");
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        if (how.StartsWith("a byte", StringComparison.Ordinal))
        {
            Flip(file, offset);
        }
        else if (how.StartsWith("cut", StringComparison.Ordinal))
        {
            var length = RandomAccess.GetLength(file);
            RandomAccess.SetLength(file, offset);
            RandomAccess.SetLength(file, length);
        }
        else
        {
            Assert.True(SparseFile.TryPunchHole(file, offset, 1));
        }

        if (how.EndsWith("set back", StringComparison.Ordinal))
        {
            Touch(path + "-times", path);
        }
    }

    /// <summary>To the nanosecond, which .NET's own call cannot.</summary>
    private static void Touch(string like, string path)
    {
        using var touch = Process.Start("touch", ["-r", like, path]);
        touch.WaitForExit();
        Assert.Equal(0, touch.ExitCode);
    }

    private static void Flip(SafeFileHandle file, long offset, bool when = true)
    {
        if (when)
        {
            Span<byte> one = stackalloc byte[1];
            RandomAccess.Read(file, one, offset);
            one[0] ^= 0x40;
            RandomAccess.Write(file, one, offset);
        }
    }
}
