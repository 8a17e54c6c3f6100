using System.Text;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>Frames come from other machines: whatever stands in them, only the agreed exception comes out, and nothing outside the blocks is written.</summary>
public class BlockFrameTests
{
    private const int BlocksLength = 12 * 4096;
    private const long BaseLength = 40L * BlockFrame.WindowLength;
    private static readonly byte[] Base = TextOf(3, (int)BaseLength);

    [Theory]
    [InlineData(BlockPacking.Stored)]
    [InlineData(BlockPacking.Zstd)]
    [InlineData(BlockPacking.ZstdWithWindows)]
    public void A_damaged_frame_is_refused_or_gives_blocks_of_the_right_length(BlockPacking packing)
    {
        var good = Make(packing);
        var refused = 0;
        for (var seed = 1; seed <= 3_000; seed++)
        {
            var random = new Random(seed);
            var frame = good.ToArray();
            for (var change = random.Next(1, 5); change > 0; change--)
            {
                frame[random.Next(4) == 0 ? random.Next(frame.Length) : random.Next(Math.Min(40, frame.Length))] = (byte)random.Next(256);
            }

            frame = random.Next(3) == 0 ? frame[..random.Next(frame.Length)] : frame;
            var room = new byte[BlocksLength + 64];
            room.AsSpan(BlocksLength).Fill(0xEE);
            try
            {
                BlockUnpacker.Unpack(frame, room.AsSpan(0, BlocksLength), [BaseLength], ReadWindow);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"{packing} with seed {seed} let out {error.GetType().Name}.", error);
            }

            Assert.All(room[BlocksLength..], rest => Assert.Equal(0xEE, rest));
        }

        Assert.InRange(refused, 1, 3_000);
    }

    [Fact]
    public void Windows_of_the_base_make_the_frame_smaller_and_are_needed_to_read_it()
    {
        var (plain, windowed) = (Make(BlockPacking.Zstd), Make(BlockPacking.ZstdWithWindows));
        Assert.InRange(windowed.Length, 1, plain.Length / 4);
        var blocks = new byte[BlocksLength];
        BlockUnpacker.Unpack(windowed, blocks, [BaseLength], ReadWindow);
        Assert.Equal(Blocks(), blocks);
        Assert.Throws<InvalidDataException>(() => BlockUnpacker.Unpack(windowed, new byte[BlocksLength], [], null));
    }

    [Fact]
    public void A_set_of_blocks_is_the_same_after_the_wire()
    {
        for (var seed = 1; seed <= 100; seed++)
        {
            var random = new Random(seed);
            var set = default(BlockSet);
            var members = Enumerable.Range(0, random.Next(1, 256)).Select(_ => random.Next(256)).ToHashSet();
            members.ToList().ForEach(block => set.Add(block));
            var bytes = new byte[BlockSet.ByteLength];
            set.Write(bytes);
            Assert.Equal(set, BlockSet.Read(bytes));
            Assert.Equal(members.Order(), Enumerable.Range(0, 256).Where(set.Contains));
            Assert.Equal(members.Count, set.Count);
            Assert.Equal(members.Min(), set.NextFrom(0));
        }
    }

    /// <summary>What stands in two places of the base, a little changed.</summary>
    private static byte[] Blocks()
    {
        byte[] blocks = [.. Base[70_001..(70_001 + (6 * 4096))], .. Base[1_000_000..(1_000_000 + (6 * 4096))]];
        blocks[5_000] ^= 1;
        return blocks;
    }

    private static byte[] Make(BlockPacking packing)
    {
        var blocks = Blocks();
        int[] windows = packing == BlockPacking.ZstdWithWindows ? [1, 15] : [];
        byte[] prefix = [.. windows.SelectMany(window => Base[(window * BlockFrame.WindowLength)..((window + 1) * BlockFrame.WindowLength)])];
        var payload = new byte[BlocksLength];
        using var packer = BlockPacker.Rent();
        var length = packing == BlockPacking.Stored ? BlocksLength : packer.Pack(blocks, prefix, 3, payload);
        payload = packing == BlockPacking.Stored ? blocks : payload[..length];
        var frame = new byte[BlockFrame.MaxLength];
        var start = BlockFrame.WriteHeader(frame, packing, 0, windows, BlocksLength, payload.Length);
        payload.CopyTo(frame, start);
        return frame[..(start + payload.Length)];
    }

    private static bool ReadWindow(int which, int window, Span<byte> room)
    {
        Base.AsSpan(window * BlockFrame.WindowLength, room.Length).CopyTo(room);
        return which == 0;
    }

    private static byte[] TextOf(int seed, int length)
    {
        var random = new Random(seed);
        return Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, length / 8).Select(_ => $"{random.Next(10_000_000):00000000}")));
    }
}
