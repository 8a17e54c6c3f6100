namespace Orleans.ImageMgmt.Content;

/// <summary>Reads one window of a base for a frame that was packed against it.</summary>
/// <param name="which">Place of the base in the request.</param>
/// <param name="window">Number of the window.</param>
/// <param name="room">As long as the window.</param>
/// <returns>False when the base cannot give it.</returns>
internal delegate bool WindowReader(int which, int window, Span<byte> room);

/// <summary>Turns a frame back into blocks.</summary>
internal static class BlockUnpacker
{
    /// <param name="frame">The whole answer.</param>
    /// <param name="blocks">Exactly as long as the blocks that were asked for.</param>
    /// <param name="baseLengths">Bytes of each base that was named in the request.</param>
    /// <param name="readWindow">May be null when no base was named.</param>
    /// <exception cref="InvalidDataException">Not the answer to the request, or it cannot be unpacked.</exception>
    public static void Unpack(ReadOnlySpan<byte> frame, Span<byte> blocks, ReadOnlySpan<long> baseLengths, WindowReader? readWindow)
    {
        var head = BlockFrame.Read(frame, blocks.Length, baseLengths);
        var payload = frame[head.PayloadOffset..];
        if (head.Packing == BlockPacking.Stored)
        {
            payload.CopyTo(blocks);
            return;
        }

        using var packer = BlockPacker.Rent();
        var prefix = head.Windows.Count == 0 ? [] : packer.Prefix;
        var length = 0;
        foreach (var window in head.Windows)
        {
            var room = prefix.Slice(length, (int)Math.Min(BlockFrame.WindowLength, baseLengths[head.Base] - ((long)window * BlockFrame.WindowLength)));
            if (readWindow is null || !readWindow(head.Base, window, room))
            {
                throw new InvalidDataException("The base that a frame of blocks was packed against cannot be read here.");
            }

            length += room.Length;
        }

        packer.Unpack(payload, prefix[..length], blocks);
    }
}
