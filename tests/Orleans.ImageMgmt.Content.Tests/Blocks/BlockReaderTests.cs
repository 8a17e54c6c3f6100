using Orleans.ImageMgmt.Content.Tests.Transfers;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>What a local copy answers when it is asked for blocks.</summary>
public class BlockReaderTests
{
    private const int Length = (3 * Bench.MiB) + 10_000;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Chosen_blocks_arrive_as_they_are_in_the_copy(int level)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        foreach (var numbers in (long[][])[[0, 1, 7, 64, 255], [768, 770], [3, 255, 256, 769, 770], [.. Enumerable.Range(260, NumberRuns.MaxCount)]])
        {
            var request = new BlockRequest(NumberRuns.Of(numbers), level, []);
            var frame = new byte[BlockFrame.MaxLengthFor(request.BytesIn(Length))];
            var length = await reader.ReadBlocksAsync(request, frame, Bench.Token);
            var blocks = Unpacked(frame.AsSpan(0, length), request.BytesIn(Length));
            Assert.Equal(await BytesOfAsync(bench, numbers), blocks);
            Assert.Equal(level == 0, length > blocks.Length);
        }
    }

    [Fact]
    public async Task Digests_name_equal_blocks_equally_and_zeros_with_zero()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        var answer = new byte[DigestAnswer.MaxLength(4)];
        var length = await reader.ReadDigestsAsync(new DigestRequest(NumberRuns.Of([0, 1, 2, 3]), []), answer, Bench.Token);
        Assert.Equal((DigestAnswer.HeaderLength + BlockLayout.DigestsLength(Length, 0, 4), 0), (length, answer[0]));
        var bytes = await File.ReadAllBytesAsync(bench.PathOf("sealed"), Bench.Token);
        var digests = answer[DigestAnswer.HeaderLength..length];
        for (var block = 0; block < digests.Length / 8; block++)
        {
            Assert.Equal(BlockLayout.DigestOf(bytes.AsSpan()[(block * 4096)..Math.Min(Length, (block + 1) * 4096)]), BitConverter.ToUInt64(digests, block * 8));
        }

        Assert.All(Enumerable.Range(256, 256), block => Assert.Equal(0UL, BitConverter.ToUInt64(digests, block * 8)));
    }

    [Fact]
    public async Task The_side_file_is_kept_once_all_digests_are_known_and_is_bound_to_the_manifest()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        var side = bench.PathOf("blocks.bin");
        var whole = new byte[BlockLayout.DigestsLength(Length, 0, 4)];
        using (var table = new BlockTable(reader.LocalFile!, reader.Manifest, side))
        {
            table.Read(0, 3, whole.AsSpan(0, BlockLayout.DigestsLength(Length, 0, 3)), Bench.Token);
        }

        Assert.False(File.Exists(side)); // the last piece was not asked for
        using (var table = new BlockTable(reader.LocalFile!, reader.Manifest, side))
        {
            table.Read(0, 4, whole, Bench.Token);
        }

        Assert.Equal(["blocks.bin"], Directory.EnumerateFiles(bench.Folder, "blocks.bin*").Select(Path.GetFileName));

        // From here on the copy is not read any more: what the table says comes from the side file.
        RandomAccess.SetLength(reader.LocalFile!, 0);
        var again = new byte[whole.Length];
        using (var table = new BlockTable(reader.LocalFile!, reader.Manifest, side))
        {
            table.Read(0, 4, again, Bench.Token);
        }

        Assert.Equal(whole, again);
        var other = new ContentManifest(Length, reader.Manifest.ChunkSize, Digest.FromBytes(new byte[32]), new byte[4 * 32].Select((_, i) => (byte)i).ToArray());
        using (var table = new BlockTable(reader.LocalFile!, other, side))
        {
            Assert.Throws<EndOfStreamException>(() => table.Read(0, 4, again, Bench.Token));
        }
    }

    [Fact]
    public async Task A_damaged_side_file_is_made_again()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        var side = bench.PathOf("blocks.bin");
        var whole = new byte[BlockLayout.DigestsLength(Length, 0, 4)];
        for (var damage = 0; damage < 3; damage++)
        {
            var now = new byte[whole.Length];
            using (var table = new BlockTable(reader.LocalFile!, reader.Manifest, side))
            {
                table.Read(0, 4, now, Bench.Token);
            }

            whole = damage == 0 ? now : whole;
            Assert.Equal(whole, now);
            using var file = File.OpenHandle(side, FileMode.Open, FileAccess.ReadWrite);
            RandomAccess.Write(file, [0xA5, 0x5A], damage == 0 ? 4096 + 700 : 20);
        }
    }

    [Fact]
    public async Task What_lies_outside_the_content_is_not_asked_for()
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        var frame = new byte[BlockFrame.MaxLength];
        foreach (var outside in (NumberRuns[])[NumberRuns.Of([771]), NumberRuns.Of([0, 1024]), new NumberRuns()])
        {
            await Assert.ThrowsAnyAsync<ArgumentException>(async () => await reader.ReadBlocksAsync(new BlockRequest(outside, 1, []), frame, Bench.Token));
            await Assert.ThrowsAnyAsync<ArgumentException>(async () => await reader.ReadDigestsAsync(new DigestRequest(outside, []), frame, Bench.Token));
        }
    }

    /// <summary>Text-like data, a piece of zeros, and a short end.</summary>
    private static async Task<LocalContentReader> SealedAsync(Bench bench)
    {
        var source = bench.Open("source");
        RandomAccess.SetLength(source, Length);
        var random = new Random(8);
        var bytes = Enumerable.Range(0, Length).Select(_ => (byte)random.Next('a', 'h')).ToArray();
        bytes.AsSpan(Bench.MiB, Bench.MiB).Clear();
        bytes.AsSpan(7 * 4096, 4096).CopyTo(bytes.AsSpan(64 * 4096));
        RandomAccess.Write(source, bytes, 0);
        return await bench.SealAsync("sealed", source);
    }

    private static async Task<byte[]> BytesOfAsync(Bench bench, long[] numbers)
    {
        var bytes = await File.ReadAllBytesAsync(bench.PathOf("sealed"), Bench.Token);
        return [.. numbers.SelectMany(block => bytes[((int)block * 4096)..Math.Min(bytes.Length, ((int)block + 1) * 4096)])];
    }

    private static byte[] Unpacked(ReadOnlySpan<byte> frame, int length)
    {
        var blocks = new byte[length];
        BlockUnpacker.Unpack(frame, blocks, [], null);
        return blocks;
    }
}
