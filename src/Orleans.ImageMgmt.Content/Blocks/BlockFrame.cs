using System.Buffers.Binary;

namespace Orleans.ImageMgmt.Content;

/// <summary>How the blocks of a frame are packed.</summary>
public enum BlockPacking
{
    /// <summary>As they are.</summary>
    Stored,

    /// <summary>One Zstandard frame (RFC 8878).</summary>
    Zstd,

    /// <summary>One Zstandard frame that looks back into windows of a base content.</summary>
    ZstdWithWindows,
}

/// <summary>
/// The head of an answer to <see cref="IBlockReader.ReadBlocksAsync"/>. Little-endian: magic <c>IMGB</c>, version (1 byte, 1), packing (1 byte), which of
/// the request's bases (1 byte), number of windows (1 byte), bytes of the blocks (4), bytes of the payload (4), then the windows (4 each: number of the
/// 64 KiB window of the base, rising), then the payload.
/// </summary>
/// <param name="Packing">How the payload is packed.</param>
/// <param name="Base">Place of the base in <see cref="BlockRequest.Bases"/>; 0 without windows.</param>
/// <param name="Windows">Numbers of the base's windows that make up the prefix, rising.</param>
/// <param name="BlocksLength">Bytes of the blocks, unpacked.</param>
/// <param name="PayloadOffset">Where in the frame the payload begins.</param>
/// <param name="PayloadLength">Bytes of the payload.</param>
public sealed record BlockFrame(BlockPacking Packing, int Base, IReadOnlyList<int> Windows, int BlocksLength, int PayloadOffset, int PayloadLength)
{
    /// <summary>Bytes of a window.</summary>
    public const int WindowLength = 64 << 10;

    /// <summary>More windows do not make the answer smaller: measured with 48 and 120.</summary>
    public const int MaxWindows = 48;

    /// <summary>No frame is longer: what does not shrink is stored.</summary>
    public const int MaxLength = HeaderLength + (MaxWindows * sizeof(int)) + (NumberRuns.MaxCount * BlockLayout.BlockLength);

    internal const int HeaderLength = 16;
    private const byte FormatVersion = 1;

    private static ReadOnlySpan<byte> Magic => "IMGB"u8;

    /// <summary>A frame of so many bytes of blocks is never longer.</summary>
    public static int MaxLengthFor(int blocksLength) => HeaderLength + (MaxWindows * sizeof(int)) + blocksLength;

    /// <summary>Windows of a content, the short last one too.</summary>
    public static int WindowCount(long length) => checked((int)((length + WindowLength - 1) / WindowLength));

    /// <summary>Writes everything before the payload.</summary>
    internal static int WriteHeader(Span<byte> frame, BlockPacking packing, int @base, ReadOnlySpan<int> windows, int blocksLength, int payloadLength)
    {
        Magic.CopyTo(frame);
        frame[4] = FormatVersion;
        frame[5] = (byte)packing;
        frame[6] = (byte)@base;
        frame[7] = (byte)windows.Length;
        BinaryPrimitives.WriteInt32LittleEndian(frame[8..], blocksLength);
        BinaryPrimitives.WriteInt32LittleEndian(frame[12..], payloadLength);
        for (var i = 0; i < windows.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(frame[(HeaderLength + (i * sizeof(int)))..], windows[i]);
        }

        return HeaderLength + (windows.Length * sizeof(int));
    }

    /// <summary>Reads the head and holds it against the request.</summary>
    /// <param name="frame">The whole answer.</param>
    /// <param name="blocksLength">Bytes of the blocks that were asked for.</param>
    /// <param name="baseLengths">Bytes of each base that was named.</param>
    /// <exception cref="InvalidDataException">Not a frame, of another version, cut short, or not the answer to this request.</exception>
    public static BlockFrame Read(ReadOnlySpan<byte> frame, int blocksLength, ReadOnlySpan<long> baseLengths)
    {
        Demand(frame.Length >= HeaderLength && frame.Length <= MaxLengthFor(blocksLength) && frame[..4].SequenceEqual(Magic), "it does not begin as one");
        Demand(frame[4] == FormatVersion, $"version {frame[4]} is not known here");
        var packing = (BlockPacking)frame[5];
        Demand(packing is BlockPacking.Stored or BlockPacking.Zstd or BlockPacking.ZstdWithWindows, $"packing {frame[5]} is not known here");
        Demand(BinaryPrimitives.ReadInt32LittleEndian(frame[8..]) == blocksLength, "it holds other blocks than were asked for");
        int count = frame[7];
        var start = HeaderLength + (count * sizeof(int));
        var payload = BinaryPrimitives.ReadInt32LittleEndian(frame[12..]);
        Demand(count <= MaxWindows && frame.Length - start == payload, "its lengths do not add up");
        Demand(packing != BlockPacking.Stored || payload == blocksLength, "stored blocks have their own length");
        Demand(count > 0 == (packing == BlockPacking.ZstdWithWindows), "windows belong to one packing alone");
        var which = frame[6];
        Demand(count == 0 ? which == 0 : which < baseLengths.Length, "it names a base that was not offered");
        var windows = new int[count];
        for (var i = 0; i < count; i++)
        {
            windows[i] = BinaryPrimitives.ReadInt32LittleEndian(frame[(HeaderLength + (i * sizeof(int)))..]);
            Demand(windows[i] < WindowCount(baseLengths[which]) && windows[i] > (i == 0 ? -1 : windows[i - 1]), "its windows do not rise, or lie outside the base");
        }

        return new BlockFrame(packing, which, windows, blocksLength, start, payload);
    }

    private static void Demand(bool isSo, string otherwise)
    {
        if (!isSo)
        {
            throw new InvalidDataException($"Not a frame of blocks: {otherwise}.");
        }
    }
}
