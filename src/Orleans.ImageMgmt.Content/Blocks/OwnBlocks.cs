using System.Runtime.InteropServices;

namespace Orleans.ImageMgmt.Content;

/// <summary>The blocks of some pieces that are to be built: their digests, and where each lies on this pod.</summary>
/// <param name="pieces">Rising.</param>
/// <param name="length">Bytes of the content.</param>
internal sealed class BlockBatch(IReadOnlyList<int> pieces, long length)
{
    /// <summary>The block has to be asked for.</summary>
    public const long Absent = -1;

    /// <summary>The block is zeros and lies nowhere.</summary>
    public const long Zeros = -2;

    /// <summary>The block stands in the staging file already.</summary>
    public const long Staged = -3;

    private const int CopyShift = 48;

    public IReadOnlyList<int> Pieces { get; } = pieces;

    /// <summary>As the source named them; a short last piece leaves zeros behind.</summary>
    public ulong[] Digests { get; } = new ulong[pieces.Count * BlockLayout.BlocksPerPiece];

    /// <summary>For each digest a place in an own copy, or one of the words above.</summary>
    public long[] Places { get; } = new long[pieces.Count * BlockLayout.BlocksPerPiece];

    /// <summary>Room for the digests of one piece.</summary>
    public Span<ulong> DigestsOf(int index) => Digests.AsSpan(index * BlockLayout.BlocksPerPiece, BlockLayout.BlockCount(length, Pieces[index]));

    /// <summary>The blocks of the content that have to be asked for, rising.</summary>
    public IEnumerable<long> Missing()
    {
        for (var i = 0; i < Places.Length; i++)
        {
            if (Places[i] == Absent)
            {
                yield return ((long)Pieces[i / BlockLayout.BlocksPerPiece] * BlockLayout.BlocksPerPiece) + (i % BlockLayout.BlocksPerPiece);
            }
        }
    }

    public void MarkAbsent()
    {
        for (var i = 0; i < Digests.Length; i++)
        {
            Places[i] = Digests[i] == 0 ? Zeros : Absent;
        }
    }

    /// <summary>Notes the blocks of a piece that stand in the staging file with their digest.</summary>
    public void MarkStaged(int index, ReadOnlySpan<byte> piece)
    {
        var digests = DigestsOf(index);
        for (var block = 0; block < digests.Length; block++)
        {
            if (digests[block] != 0 && BlockLayout.DigestOf(piece[(block * BlockLayout.BlockLength)..Math.Min(piece.Length, (block + 1) * BlockLayout.BlockLength)]) == digests[block])
            {
                Places[(index * BlockLayout.BlocksPerPiece) + block] = Staged;
            }
        }
    }

    /// <summary>The copy that holds more than half of these blocks at their own offset, or -1.</summary>
    /// <param name="at">The first of them here.</param>
    /// <param name="count">How many.</param>
    /// <param name="first">The first of them in the content.</param>
    public int MostlyIn(int at, int count, long first)
    {
        Span<int> votes = stackalloc int[BlockRequest.MaxBases];
        for (var i = 0; i < count; i++)
        {
            if (Places[at + i] >= 0 && Open(Places[at + i]) is var (copy, block) && block == first + i && copy < votes.Length && ++votes[copy] > count / 2)
            {
                return copy;
            }
        }

        return -1;
    }

    public static long PlaceOf(int copy, long block) => ((long)copy << CopyShift) | block;

    public static (int Copy, long Block) Open(long place) => ((int)(place >> CopyShift), place & ((1L << CopyShift) - 1));
}

/// <summary>Finds blocks by digest in the pod's own copies. What it says is a guess until the bytes were read and hashed.</summary>
internal sealed class OwnBlocks(IReadOnlyList<OwnCopy> copies, ITransferObserver observer) : IDisposable
{
    /// <summary>Bytes of a copy that are worth reading for one byte that may then not have to travel: a disk is about so many times as fast as a link for which that counts.</summary>
    private const int ReadForOne = 64;

    /// <summary>Pieces whose digests are looked through at once.</summary>
    private const int ScanPieces = 16;

    private readonly List<(int Copy, BlockTable Table, ContentManifest Manifest)> tables =
        [.. copies.Select((copy, i) => (i, new BlockTable(copy.File, copy.Manifest, copy.SidePath), copy.Manifest))];

    private readonly HashSet<int> unreadable = [];

    /// <summary>Stands for the digest of a block that nobody told.</summary>
    private const ulong Unknown = 1;

    /// <summary>Copies that the source may name as bases.</summary>
    public int BaseCount => Math.Min(copies.Count, BlockRequest.MaxBases);

    /// <summary>Fills in the digests of blocks that the source says are those of a copy at the same place. Where the copy cannot be read, they
    /// are such as no block has, and the chunk is asked for plainly.</summary>
    public void ReadSame(int copy, int piece, BlockSet same, Span<ulong> digests, CancellationToken cancellationToken)
    {
        Span<ulong> room = stackalloc ulong[BlockLayout.BlocksPerPiece];
        var (_, table, manifest) = tables[copy];
        var count = piece < BlockLayout.PieceCount(manifest.Length) ? BlockLayout.BlockCount(manifest.Length, piece) : 0;
        try
        {
            if (count > 0 && !unreadable.Contains(copy))
            {
                table.Read(piece, 1, MemoryMarshal.AsBytes(room[..count]), cancellationToken);
            }
            else
            {
                count = 0;
            }
        }
        catch (IOException)
        {
            unreadable.Add(copy);
            count = 0;
        }

        for (var block = same.NextFrom(0); block >= 0; block = same.NextFrom(block + 1))
        {
            digests[block] = block < count ? room[block] : Unknown;
        }
    }

    /// <summary>First where blocks mostly are, at their own offset; then the rest anywhere. Memory is bounded by the batch, whatever the copies hold.</summary>
    public void Locate(BlockBatch batch, CancellationToken cancellationToken)
    {
        batch.MarkAbsent();
        foreach (var own in tables.AsEnumerable().Reverse())
        {
            Attempt(own, table => MatchSamePlace(batch, table, cancellationToken)); // the likest last: its word counts
        }

        // Where digests of a copy are not kept, to look anywhere in it means to read it whole: done for the likest alone, and when enough may be gained by it.
        var wanted = Wanted.Of(batch);
        foreach (var own in tables.Where(own => own.Table.IsWhole || (own.Copy == 0 && own.Manifest.DataLength / ReadForOne <= (long)wanted.Asked * BlockLayout.BlockLength)))
        {
            Attempt(own, table => Scan(wanted, table, cancellationToken));
        }

        if (wanted.Count < wanted.Asked)
        {
            wanted.Enter(batch);
        }
    }

    public void Dispose() => tables.ForEach(table => table.Table.Dispose());

    /// <summary>A copy that cannot be read is not looked into any more.</summary>
    private void Attempt((int Copy, BlockTable Table, ContentManifest Manifest) own, Action<(int Copy, BlockTable Table, ContentManifest Manifest)> work)
    {
        if (unreadable.Contains(own.Copy))
        {
            return;
        }

        try
        {
            work(own);
        }
        catch (IOException)
        {
            unreadable.Add(own.Copy);
        }
    }

    private static void MatchSamePlace(BlockBatch batch, (int Copy, BlockTable Table, ContentManifest Manifest) own, CancellationToken cancellationToken)
    {
        var room = new ulong[BlockLayout.BlocksPerPiece];
        var pieces = BlockLayout.PieceCount(own.Manifest.Length);
        for (var i = 0; i < batch.Pieces.Count; i++)
        {
            var piece = batch.Pieces[i];
            if (piece >= pieces || own.Manifest.IsZero((int)(BlockLayout.OffsetOf(piece) / own.Manifest.ChunkSize)))
            {
                continue;
            }

            var count = BlockLayout.BlockCount(own.Manifest.Length, piece);
            own.Table.Read(piece, 1, MemoryMarshal.AsBytes(room.AsSpan(0, count)), cancellationToken);
            for (var block = 0; block < count; block++)
            {
                var at = (i * BlockLayout.BlocksPerPiece) + block;
                if (batch.Digests[at] == room[block] && room[block] != 0)
                {
                    batch.Places[at] = BlockBatch.PlaceOf(own.Copy, ((long)piece * BlockLayout.BlocksPerPiece) + block);
                }
            }
        }
    }

    private void Scan(Wanted wanted, (int Copy, BlockTable Table, ContentManifest Manifest) own, CancellationToken cancellationToken)
    {
        var room = new ulong[ScanPieces * BlockLayout.BlocksPerPiece];
        var pieces = BlockLayout.PieceCount(own.Manifest.Length);
        for (var piece = 0; piece < pieces && wanted.Count > 0; piece += ScanPieces)
        {
            var these = Math.Min(ScanPieces, pieces - piece);
            var count = BlockLayout.DigestsLength(own.Manifest.Length, piece, these) / BlockLayout.DigestLength;
            own.Table.Read(piece, these, MemoryMarshal.AsBytes(room.AsSpan(0, count)), cancellationToken);
            for (var block = 0; block < count; block++)
            {
                if (room[block] != 0)
                {
                    wanted.Found(room[block], BlockBatch.PlaceOf(own.Copy, ((long)piece * BlockLayout.BlocksPerPiece) + block));
                }
            }

            observer.Advanced(piece + these, pieces);
        }
    }

    /// <summary>Digests that are looked for, by open addressing; never more than half full.</summary>
    private sealed class Wanted
    {
        private readonly ulong[] keys;
        private readonly long[] places;
        private readonly int shift;

        private Wanted(int capacity)
        {
            var bits = Math.Max(4, 33 - int.LeadingZeroCount(capacity));
            keys = new ulong[1 << bits];
            places = new long[1 << bits];
            shift = 64 - bits;
        }

        /// <summary>Different digests in it.</summary>
        public int Asked { get; private set; }

        /// <summary>How many of them have no place yet.</summary>
        public int Count { get; private set; }

        public static Wanted Of(BlockBatch batch)
        {
            var wanted = new Wanted(batch.Places.Count(place => place == BlockBatch.Absent));
            for (var i = 0; i < batch.Places.Length; i++)
            {
                if (batch.Places[i] == BlockBatch.Absent)
                {
                    wanted.Add(batch.Digests[i]);
                }
            }

            return wanted;
        }

        public void Found(ulong digest, long place)
        {
            var at = SlotOf(digest);
            if (keys[at] == digest && places[at] == BlockBatch.Absent)
            {
                places[at] = place;
                Count--;
            }
        }

        public void Enter(BlockBatch batch)
        {
            for (var i = 0; i < batch.Places.Length; i++)
            {
                if (batch.Places[i] == BlockBatch.Absent)
                {
                    batch.Places[i] = places[SlotOf(batch.Digests[i])];
                }
            }
        }

        private void Add(ulong digest)
        {
            var at = SlotOf(digest);
            if (keys[at] == 0)
            {
                keys[at] = digest;
                places[at] = BlockBatch.Absent;
                Asked++;
                Count++;
            }
        }

        /// <summary>Where the digest stands, or the free slot where it would.</summary>
        private int SlotOf(ulong digest)
        {
            var at = (int)((digest * 0x9E37_79B9_7F4A_7C15) >> shift);
            while (keys[at] != 0 && keys[at] != digest)
            {
                at = (at + 1) & (keys.Length - 1);
            }

            return at;
        }
    }
}
