using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>A version after another one of its image, from a source on another machine: what travels, and what nobody is believed.</summary>
public class DeltaTests
{
    private const int Block = BlockLayout.BlockLength;
    private const int Length = (6 * Bench.MiB) + 9_000;

    [Fact]
    public async Task Only_changed_blocks_travel_and_moved_ones_are_found_where_they_lie()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, 40 * Block, Block, 77);                                                      // changed
        bytes.AsSpan(2 * Bench.MiB, 100 * Block).CopyTo(bytes.AsSpan((3 * Bench.MiB) + Block));  // moved
        Fill(bytes, Length - 500, 500, 78);                                                      // the short end
        await using var reader = await SealAsync(bench, "new", bytes);
        var source = new BlocksDouble(reader);
        var recorder = new Recorder();
        var received = await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), recorder, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal([(0, 40), (6, 2)], source.Asked);
        Assert.Equal([0, 3, 6], recorder.Requested);
        Assert.Equal(source.Travelled, received.BytesRequested);
        Assert.InRange(received.BytesRequested, Block, Block + 500 + (3 * 2048) + 1_000);
        Assert.Equal(reader.Manifest.DataLength - Block - (9_000 % Block), received.BytesReused);
        Assert.Equal(reader.Manifest.DataChunks, received.Proof!.Chunks);
    }

    [Fact]
    public async Task A_first_copy_travels_packed_and_without_its_zeros()
    {
        using var bench = new Bench();
        var bytes = Old();
        bytes.AsSpan(10 * Block, 50 * Block).Clear();
        await using var reader = await SealAsync(bench, "new", bytes);
        var source = new BlocksDouble(reader);
        var staging = bench.Open("staging");
        var received = await CopyReceiver.ReceiveAsync(source, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.DoesNotContain(source.Asked, asked => asked is { Piece: 0, Block: >= 10 and < 60 });
        Assert.InRange(received.BytesRequested, 1, reader.Manifest.DataLength * 2 / 3);
        Assert.Equal(0, received.BytesReused);
        Assert.InRange(SparseFile.AllocatedBytes(staging), 0, Length - (49 * Block));
    }

    [Fact]
    public async Task A_block_that_is_damaged_in_the_own_copy_travels()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, 0, Block, 5);
        await using var reader = await SealAsync(bench, "new", bytes);
        var side = bench.PathOf("blocks.bin");
        using (var table = new BlockTable(old.LocalFile!, old.Manifest, side))
        {
            table.Read(0, 7, new byte[BlockLayout.DigestsLength(Length, 0, 7)], Bench.Token);
        }

        Flip(old.LocalFile!, (9 * Block) + 11); // after its digests were kept
        var source = new BlocksDouble(reader);
        await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old, side), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal([(0, 0), (0, 9)], source.Asked);
    }

    [Fact]
    public async Task A_staged_chunk_that_was_cut_in_the_middle_keeps_its_good_blocks()
    {
        using var bench = new Bench();
        await using var reader = await SealAsync(bench, "new", Old());
        var staging = bench.Open("staging");
        RandomAccess.Write(staging, Old().AsSpan(Bench.MiB, 200 * Block), Bench.MiB);
        Flip(staging, Bench.MiB + (3 * Block));
        var source = new BlocksDouble(reader);
        var received = await CopyReceiver.ReceiveAsync(source, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal([3, .. Enumerable.Range(200, 56)], source.Asked.Where(asked => asked.Piece == 1).Select(asked => asked.Block));
        Assert.Equal(199 * Block, received.BytesStagedBefore);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Wrong_answers_of_the_source_cost_a_plain_read_and_nothing_else(bool digests)
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, (4 * Bench.MiB) + (7 * Block), 3 * Block, 5);
        await using var reader = await SealAsync(bench, "new", bytes);
        var source = new BlocksDouble(reader)
        {
            AfterDigests = answer => answer[DigestAnswer.HeaderLength + (8 * 8)] ^= (byte)(digests ? 1 : 0),
            AfterFrame = answer => answer[^100] ^= (byte)(digests ? 0 : 1),
        };
        var received = await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal(Bench.MiB, source.PlainBytes);
        Assert.InRange(received.BytesRequested, Bench.MiB + 2048, Bench.MiB + 2048 + (4 * Block));
    }

    [Fact]
    public async Task A_source_whose_every_answer_is_wrong_is_asked_plainly_after_a_few()
    {
        using var bench = new Bench();
        var bytes = new byte[24 * Bench.MiB];
        Fill(bytes, 0, bytes.Length, 3);
        await using var reader = await SealAsync(bench, "new", bytes);
        var source = new BlocksDouble(reader) { AfterFrame = answer => answer[0] ^= 1 };
        var options = new ReceiveOptions { Blocks = new BlockOptions { BatchPieces = 4 } };
        await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), options, SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.InRange(source.Frames, BlockOptions.BadAnswers, BlockOptions.BadAnswers + 4);
    }

    [Fact]
    public async Task A_source_that_lies_in_every_way_is_named()
    {
        using var bench = new Bench();
        await using var reader = await SealAsync(bench, "new", Old());
        var source = new BlocksDouble(reader) { AfterFrame = answer => answer[^1] ^= 1, AfterRead = (at, bytes) => bytes.Span[5] ^= (byte)(at == 2 * Bench.MiB ? 1 : 0) };
        var trouble = await Assert.ThrowsAsync<SourceCorruptException>(() =>
            CopyReceiver.ReceiveAsync(source, bench.Open("staging"), new ReceiveOptions(), SilentObserver.Instance, Bench.Token));
        Assert.Equal(2, trouble.Chunk);
    }

    [Fact]
    public async Task A_cut_in_the_middle_is_resumed_without_asking_for_staged_chunks_again()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        for (var chunk = 0; chunk < 6; chunk++)
        {
            Fill(bytes, (chunk * Bench.MiB) + (chunk * Block), Block, 50 + chunk);
        }

        await using var reader = await SealAsync(bench, "new", bytes);
        var staging = bench.Open("staging");
        using var cut = new CancellationTokenSource();
        var first = new Recorder
        {
            OnStaged = chunk =>
            {
                if (chunk == 2)
                {
                    cut.Cancel();
                }
            },
        };
        var options = new ReceiveOptions { OwnCopies = Having(old).OwnCopies, Blocks = new BlockOptions { Window = 1 } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => CopyReceiver.ReceiveAsync(new BlocksDouble(reader, cut.Token), staging, options, first, cut.Token));
        var source = new BlocksDouble(reader);
        var received = await CopyReceiver.ReceiveAsync(source, staging, options, SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Empty(source.Asked.Select(asked => asked.Piece).Intersect(first.Staged));
        Assert.True(received.ChunksStagedBefore >= 3);
    }

    [Fact]
    public async Task A_source_that_never_answers_for_blocks_is_left_after_the_time_out()
    {
        using var bench = new Bench();
        await using var reader = await SealAsync(bench, "new", Old());
        using var never = new CancellationTokenSource();
        var source = new BlocksDouble(reader) { BeforeFrame = _ => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, never.Token) };
        await Assert.ThrowsAsync<TimeoutException>(() => CopyReceiver.ReceiveAsync(
            source, bench.Open("staging"), new ReceiveOptions { StallTimeout = TimeSpan.FromMilliseconds(200) }, SilentObserver.Instance, Bench.Token));
        await never.CancelAsync();
    }

    [Fact]
    public async Task Only_the_likest_copy_is_read_whole_and_others_once_their_digests_are_kept()
    {
        using var bench = new Bench();
        await using var likest = await SealAsync(bench, "likest", new byte[Length]);
        await using var older = await SealAsync(bench, "older", Old());
        var bytes = new byte[Length];
        Old().AsSpan(0, Bench.MiB).CopyTo(bytes.AsSpan(Block)); // one block further on than in the older copy
        await using var reader = await SealAsync(bench, "new", bytes);
        var side = bench.PathOf("blocks.bin");
        var options = new ReceiveOptions { OwnCopies = [new OwnCopy(likest.LocalFile!, likest.Manifest), new OwnCopy(older.LocalFile!, older.Manifest, side)] };
        var unread = new BlocksDouble(reader);
        await CopyReceiver.ReceiveAsync(unread, bench.Open("first"), options, SilentObserver.Instance, Bench.Token);
        Assert.Equal(256, unread.Asked.Count);
        using (var table = new BlockTable(older.LocalFile!, older.Manifest, side))
        {
            table.Read(0, 7, new byte[BlockLayout.DigestsLength(Length, 0, 7)], Bench.Token);
        }

        var known = new BlocksDouble(reader);
        await CopyReceiver.ReceiveAsync(known, bench.Open("second"), options, SilentObserver.Instance, Bench.Token);
        Assert.Empty(known.Asked);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("second"));
    }

    [Fact]
    public async Task Blocks_that_lie_alone_in_their_pieces_travel_in_one_answer()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        for (var chunk = 0; chunk < 6; chunk++)
        {
            Fill(bytes, (chunk * Bench.MiB) + (chunk * 20 * Block), Block, 50 + chunk);
        }

        await using var reader = await SealAsync(bench, "new", bytes);
        var source = new BlocksDouble(reader);
        var received = await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal(Enumerable.Range(0, 6).Select(chunk => (chunk, chunk * 20)), source.Asked);
        Assert.Equal(1, source.Frames);
        Assert.Equal(source.Travelled, received.BytesRequested);
    }

    [Fact]
    public async Task Full_answers_are_cut_at_a_mebibyte_wherever_pieces_end()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, 100 * Block, 3 * Bench.MiB, 9);
        await using var reader = await SealAsync(bench, "new", bytes);
        foreach (var window in (int[])[1, 2, 4])
        {
            var source = new BlocksDouble(reader);
            var options = new ReceiveOptions { OwnCopies = Having(old).OwnCopies, Blocks = new BlockOptions { Window = window } };
            await CopyReceiver.ReceiveAsync(source, bench.Open($"staging-{window}"), options, SilentObserver.Instance, Bench.Token);
            Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256($"staging-{window}"));
            Assert.Equal((3, 3 * 256), (source.Frames, source.Asked.Distinct().Count()));
        }
    }

    [Fact]
    public async Task A_shared_answer_that_is_no_good_is_asked_again_piece_by_piece()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, 5 * Block, Block, 50);
        Fill(bytes, (2 * Bench.MiB) + (5 * Block), Block, 51);
        await using var reader = await SealAsync(bench, "new", bytes);
        var first = true;
        var source = new BlocksDouble(reader)
        {
            AfterFrame = answer => (answer[0], first) = ((byte)(answer[0] ^ (first ? 1 : 0)), false),
        };
        await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal((3, 0L), (source.Frames, source.PlainBytes));
    }

    [Fact]
    public async Task Digests_of_unchanged_blocks_do_not_travel_when_the_source_holds_the_same_base()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, 40 * Block, Block, 77);
        Fill(bytes, (3 * Bench.MiB) + (2 * Block), 2 * Block, 78);
        Fill(bytes, Length - 500, 500, 79);
        await using var plain = await SealAsync(bench, "new", bytes);
        await using var reader = new LocalContentReader(
            File.OpenHandle(bench.PathOf("new-sealed")), plain.Manifest, null,
            digest => digest == old.Manifest.ContentDigest ? new OpenBase(File.OpenHandle(bench.PathOf("old-sealed")), old.Manifest) : null);
        var source = new BlocksDouble(reader);
        await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal([(0, 40), (3, 2), (3, 3), (6, 2)], source.Asked);
        Assert.Equal(DigestAnswer.HeaderLength + (3 * BlockSet.ByteLength) + (4 * BlockLayout.DigestLength), source.DigestBytes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Digests_that_are_none_make_the_source_be_asked_plainly(int shorter)
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        Fill(bytes, 40 * Block, Block, 77);
        await using var reader = await SealAsync(bench, "new", bytes);
        var source = new BlocksDouble(reader) { ShorterDigests = shorter, AfterDigests = answer => answer[0] = (byte)(shorter == 0 ? 2 : 0) };
        await CopyReceiver.ReceiveAsync(source, bench.Open("staging"), Having(old), SilentObserver.Instance, Bench.Token);
        Assert.Equal(reader.Manifest.ContentDigest.Value, bench.Sha256("staging"));
        Assert.Equal((0, Bench.MiB), (source.Frames, source.PlainBytes));
    }

    [Fact]
    public async Task What_is_read_back_leaves_the_digests_of_its_blocks_beside_the_copy()
    {
        using var bench = new Bench();
        await using var old = await SealAsync(bench, "old", Old());
        var bytes = Old();
        bytes.AsSpan(Bench.MiB, 2 * Bench.MiB).Clear();
        Fill(bytes, 40 * Block, Block, 77);
        await using var reader = await SealAsync(bench, "new", bytes);
        var side = bench.PathOf("blocks.bin");
        var options = new ReceiveOptions { OwnCopies = Having(old).OwnCopies, SidePath = side };
        using var staging = bench.Open("staging");
        await CopyReceiver.ReceiveAsync(new BlocksDouble(reader), staging, options, SilentObserver.Instance, Bench.Token);
        var received = await File.ReadAllBytesAsync(side, Bench.Token);
        File.Delete(side);
        await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions { SidePath = side }, SilentObserver.Instance, Bench.Token);
        Assert.Equal(received, await File.ReadAllBytesAsync(side, Bench.Token));
        using var table = new BlockTable(staging, reader.Manifest, side);
        Assert.True(table.IsWhole);
        var digests = new byte[BlockLayout.DigestsLength(Length, 0, 7)];
        RandomAccess.SetLength(staging, 0); // the copy is not read any more
        table.Read(0, 7, digests, Bench.Token);
        Assert.Equal(
            Enumerable.Range(0, digests.Length / 8).Select(block => BlockLayout.DigestOf(bytes.AsSpan()[(block * Block)..Math.Min(Length, (block + 1) * Block)])),
            Enumerable.Range(0, digests.Length / 8).Select(block => BitConverter.ToUInt64(digests, block * 8)));
    }

    [Fact]
    public async Task A_copy_that_is_damaged_leaves_no_digests()
    {
        using var bench = new Bench();
        await using var copy = await SealAsync(bench, "copy", Old());
        Flip(copy.LocalFile!, (3 * Bench.MiB) + 5);
        var side = bench.PathOf("blocks.bin");
        var result = await CopyVerifier.VerifyAsync(copy.LocalFile!, copy.Manifest, new VerifyOptions { SidePath = side }, SilentObserver.Instance, Bench.Token);
        Assert.Equal([3], result.BadChunks);
        Assert.Empty(Directory.EnumerateFiles(bench.Folder, "blocks.bin*"));
    }

    private static ReceiveOptions Having(LocalContentReader old, string? side = null) => new() { OwnCopies = [new OwnCopy(old.LocalFile!, old.Manifest, side)] };

    /// <summary>All data, each block different, of letters so that it packs.</summary>
    private static byte[] Old()
    {
        var bytes = new byte[Length];
        Fill(bytes, 0, Length, 1);
        return bytes;
    }

    private static void Fill(byte[] bytes, int offset, int length, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < length; i++)
        {
            bytes[offset + i] = (byte)random.Next('a', 'i');
        }
    }

    private static Task<LocalContentReader> SealAsync(Bench bench, string name, byte[] bytes)
    {
        var file = bench.Open(name);
        RandomAccess.Write(file, bytes, 0);
        return bench.SealAsync(name + "-sealed", file);
    }

    private static void Flip(SafeFileHandle file, long offset)
    {
        Span<byte> one = stackalloc byte[1];
        RandomAccess.Read(file, one, offset);
        one[0] ^= 0x40;
        RandomAccess.Write(file, one, offset);
    }
}
