using System.Numerics;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Which 64 KiB windows of a base share content with given bytes. Features are taken where a rolling hash of the last 64 bytes has a run of zero bits, so that
/// they are found again when content moved by any number of bytes. A wrong guess only makes a frame longer.
/// </summary>
/// <remarks>The hash is the gear hash: one shift and one addition of a table entry for each byte (known from content-defined chunking). The table is made by SplitMix64.</remarks>
internal sealed class WindowIndex
{
    /// <summary>Data of a base beyond which it gets no index: making it would take longer than anybody waits.</summary>
    public const long MaxDataLength = 8L << 30;

    /// <summary>Slots of 8 bytes: 32 MiB an index.</summary>
    private const int SlotBits = 22;

    /// <summary>One feature in about so many bytes: 2 to this power. Sparser for a larger base, so that no more than half the slots are taken.</summary>
    private const int MinSpacingBits = 10;

    /// <summary>Windows for one frame. A frame may name half as many again: that makes it 0.1 % shorter and takes a sixth more of the processor (measured on a package upgrade).</summary>
    private const int MostWindows = 32;

    /// <summary>Features that a window shares at least: one alone is as often chance.</summary>
    private const int LeastShared = 2;

    private static readonly ulong[] Gear = MakeGear();

    private readonly ulong[] slots = new ulong[1 << SlotBits];
    private readonly int windows;
    private readonly ulong mask;

    private WindowIndex(ContentManifest manifest)
    {
        windows = BlockFrame.WindowCount(manifest.Length);
        var spacing = Math.Max(MinSpacingBits, BitOperations.Log2((ulong)Math.Max(1, manifest.DataLength)) + 2 - SlotBits);
        mask = ((1UL << spacing) - 1) << (64 - spacing);
    }

    /// <summary>Reads the base once, on as many threads as there are cores.</summary>
    /// <exception cref="IOException">It cannot be read, or is cut short.</exception>
    public static WindowIndex Make(SafeFileHandle file, ContentManifest manifest, CancellationToken cancellationToken)
    {
        var index = new WindowIndex(manifest);
        var pieces = BlockLayout.PieceCount(manifest.Length);
        var next = -1;
        var threads = Enumerable.Range(0, Environment.ProcessorCount).Select(_ => PieceBuffers.RunAsync(
            () =>
            {
                var buffer = PieceBuffers.Rent();
                for (var piece = Interlocked.Increment(ref next); piece < pieces; piece = Interlocked.Increment(ref next))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!manifest.IsZero((int)(BlockLayout.OffsetOf(piece) / manifest.ChunkSize)))
                    {
                        index.Add(file, piece, buffer.Span[..BlockLayout.LengthOf(manifest.Length, piece)]);
                    }
                }

                PieceBuffers.Return(buffer);
                return 0;
            },
            cancellationToken));
        Task.WhenAll(threads).GetAwaiter().GetResult();
        return index;
    }

    /// <summary>The windows that share most with the bytes, rising; few enough for one frame.</summary>
    /// <param name="bytes">The blocks of one frame.</param>
    public int[] Find(ReadOnlySpan<byte> bytes)
    {
        var votes = new Dictionary<int, int>();
        foreach (var hash in new Features(bytes, mask))
        {
            var slot = slots[SlotOf(hash)];
            if (slot != 0 && (uint)(slot >> 32) == TagOf(hash))
            {
                var window = (int)(uint)slot - 1;
                votes[window] = votes.GetValueOrDefault(window) + 1;
            }
        }

        return [.. votes.Where(vote => vote.Key < windows && vote.Value >= LeastShared).OrderByDescending(vote => vote.Value).ThenBy(vote => vote.Key).Take(MostWindows).Select(vote => vote.Key).Order()];
    }

    private static int SlotOf(ulong hash) => (int)((hash * 0x9E37_79B9_7F4A_7C15) >> (64 - SlotBits));

    private static uint TagOf(ulong hash) => (uint)hash | 1;

    private static ulong[] MakeGear()
    {
        var gear = new ulong[256];
        ulong state = 0x494D_474D;
        for (var i = 0; i < gear.Length; i++)
        {
            state += 0x9E37_79B9_7F4A_7C15;
            var mixed = (state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB;
            gear[i] = mixed ^ (mixed >> 31);
        }

        return gear;
    }

    private void Add(SafeFileHandle file, int piece, Span<byte> bytes)
    {
        if (!ChunkCheck.TryReadAll(file, bytes, BlockLayout.OffsetOf(piece)))
        {
            throw new EndOfStreamException($"The base ends inside piece {piece}.");
        }

        for (var at = 0; at < bytes.Length; at += BlockFrame.WindowLength)
        {
            var window = (uint)((BlockLayout.OffsetOf(piece) + at) / BlockFrame.WindowLength) + 1;
            foreach (var hash in new Features(bytes[at..Math.Min(bytes.Length, at + BlockFrame.WindowLength)], mask))
            {
                // The first one stays; two threads at one slot leave one of two right answers.
                ref var slot = ref slots[SlotOf(hash)];
                if (slot == 0)
                {
                    slot = ((ulong)TagOf(hash) << 32) | window;
                }
            }
        }
    }

    /// <summary>The hashes at the chosen places of some bytes.</summary>
    private ref struct Features(ReadOnlySpan<byte> bytes, ulong mask)
    {
        private readonly ReadOnlySpan<byte> bytes = bytes;
        private ulong hash;
        private int at;

        public readonly ulong Current => hash;

        public readonly Features GetEnumerator() => this;

        public bool MoveNext()
        {
            var (rolling, gear) = (hash, Gear);
            for (var i = at; i < bytes.Length; i++)
            {
                rolling = (rolling << 1) + gear[bytes[i]];
                if ((rolling & mask) == 0)
                {
                    (hash, at) = (rolling, i + 1);
                    return true;
                }
            }

            at = bytes.Length;
            return false;
        }
    }
}
