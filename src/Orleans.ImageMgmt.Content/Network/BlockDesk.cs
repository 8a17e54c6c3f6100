using System.Buffers;

namespace Orleans.ImageMgmt.Content;

/// <summary>An answer: bytes that are to be sent, or why not. Keeps its place among the reads until it is disposed.</summary>
public sealed class BlockAnswer : IDisposable
{
    private readonly byte[]? rented;
    private readonly CopyLease? lease;
    private readonly IDisposable? place;

    private BlockAnswer(BlockRefusal refusal, long total) => (Refusal, TotalLength) = (refusal, total);

    internal BlockAnswer(byte[]? rented, ReadOnlyMemory<byte> bytes, long total, CopyLease lease, IDisposable? place)
    {
        (this.rented, Bytes, TotalLength, this.lease, this.place) = (rented, bytes, total, lease, place);
    }

    public BlockRefusal? Refusal { get; }

    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Bytes of the whole content; 0 where it is not known.</summary>
    public long TotalLength { get; }

    public static BlockAnswer Refused(BlockRefusal refusal, long total = 0) => new(refusal, total);

    public void Dispose()
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        place?.Dispose();
        lease?.Dispose();
    }
}

/// <summary>The core of a block server: checks the ticket, opens the copy, bounds what is under way, reads. Knows no protocol.</summary>
public sealed class BlockDesk(TicketCheck tickets, OpenCopy open, BlockLimits limits, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Bytes of the longest range of one request: one piece.</summary>
    public const int MaxRange = PieceBuffers.PieceLength;

    private readonly CopyShelf shelf = new(open, limits, time);
    private readonly ReadGate gate = new(limits, time);
    private long bytesGiven;

    /// <summary>Reads under way and waiting.</summary>
    public int Reads => gate.Count;

    /// <summary>Bytes read for receivers since the start.</summary>
    public long BytesGiven => Interlocked.Read(ref bytesGiven);

    /// <summary>The encoded manifest.</summary>
    public Task<BlockAnswer> ManifestAsync(BlockCaller caller, CancellationToken cancellationToken) => AnswerAsync(
        caller, (lease, _) => ValueTask.FromResult(new BlockAnswer(null, lease.Reader.Manifest.Encode(), lease.Reader.Manifest.Length, lease, null)), cancellationToken);

    /// <summary>Guest-visible bytes by range, at most <see cref="MaxRange"/>.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">How many; null: up to the end of the content or the longest range.</param>
    /// <param name="cancellationToken">When the caller is gone.</param>
    public Task<BlockAnswer> BytesAsync(BlockCaller caller, long offset, long? length, CancellationToken cancellationToken) => AnswerAsync(
        caller,
        (lease, ticket) =>
        {
            var total = lease.Reader.Manifest.Length;
            var wanted = length ?? Math.Min(MaxRange, total - offset);
            return (offset, wanted) switch
            {
                _ when offset < 0 || wanted <= 0 || offset > total - wanted => Refuse(BlockRefusal.OutOfRange, total),
                _ when wanted > MaxRange => Refuse(BlockRefusal.TooLarge($"{wanted} bytes were asked; at most {MaxRange} are given at once."), total),
                _ => ReadAsync(lease, ticket, offset, (int)wanted, cancellationToken),
            };
        },
        cancellationToken);

    /// <summary>Digests of the blocks of chosen pieces.</summary>
    public Task<BlockAnswer> DigestsAsync(BlockCaller caller, DigestRequest request, CancellationToken cancellationToken) => AnswerAsync(
        caller,
        (lease, ticket) =>
        {
            var total = lease.Reader.Manifest.Length;
            return lease.Reader is not IBlockReader blocks ? Refuse(BlockRefusal.NoBlocks, total) : request switch
            {
                _ when request.Bases.Count > BlockRequest.MaxBases => Refuse(TooManyBases(request.Bases.Count), total),
                _ when !request.FitsIn(total) => Refuse(BlockRefusal.OutOfRange, total),
                _ => FillAsync(lease, ticket, DigestAnswer.MaxLength(request.Pieces.Count), buffer => blocks.ReadDigestsAsync(request, buffer, cancellationToken), cancellationToken),
            };
        },
        cancellationToken);

    /// <summary>Chosen blocks, packed.</summary>
    public Task<BlockAnswer> PackedAsync(BlockCaller caller, BlockRequest request, CancellationToken cancellationToken) => AnswerAsync(
        caller,
        (lease, ticket) =>
        {
            var total = lease.Reader.Manifest.Length;
            return lease.Reader is not IBlockReader blocks ? Refuse(BlockRefusal.NoBlocks, total) : request switch
            {
                _ when request.Level is < 0 or > BlockRequest.MaxLevel => Refuse(BlockRefusal.Malformed($"Level {request.Level} is none: 0 to {BlockRequest.MaxLevel} are."), total),
                _ when request.Bases.Count > BlockRequest.MaxBases => Refuse(TooManyBases(request.Bases.Count), total),
                _ when !request.FitsIn(total) => Refuse(BlockRefusal.OutOfRange, total),
                _ => FillAsync(lease, ticket, BlockFrame.MaxLengthFor(request.BytesIn(total)), buffer => blocks.ReadBlocksAsync(request, buffer, cancellationToken), cancellationToken),
            };
        },
        cancellationToken);

    /// <summary>A lease for an artefact that is read piece by piece, or why there is none.</summary>
    public async Task<(CopyLease? Lease, BlockTicket? Ticket, BlockRefusal? Refusal)> OpenAsync(BlockCaller caller, CancellationToken cancellationToken)
    {
        var (ticket, refused) = tickets.Check(caller);
        if (ticket is null)
        {
            return (null, null, refused);
        }

        var (lease, refusal) = await shelf.BorrowAsync(ticket, cancellationToken);
        return (lease, ticket, refusal);
    }

    /// <summary>One piece of an artefact. The lease stays the caller's.</summary>
    public async Task<BlockAnswer> PieceAsync(CopyLease lease, BlockTicket ticket, long offset, int length, CancellationToken cancellationToken)
    {
        var (again, refusal) = await shelf.BorrowAsync(ticket, cancellationToken);
        return again is null ? BlockAnswer.Refused(refusal!, lease.Reader.Manifest.Length) : await ReadAsync(again, ticket, offset, length, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await shelf.DisposeAsync();
        gate.Dispose();
    }

    private async Task<BlockAnswer> AnswerAsync(BlockCaller caller, Func<CopyLease, BlockTicket, ValueTask<BlockAnswer>> answer, CancellationToken cancellationToken)
    {
        var (lease, ticket, refusal) = await OpenAsync(caller, cancellationToken);
        if (lease is null)
        {
            return BlockAnswer.Refused(refusal!);
        }

        BlockAnswer? made = null;
        try
        {
            made = await answer(lease, ticket!);
            return made;
        }
        finally
        {
            if (made?.Refusal is not null || made is null)
            {
                lease.Dispose();
            }
        }
    }

    private static BlockRefusal TooManyBases(int named) => BlockRefusal.TooLarge($"{named} bases are named; at most {BlockRequest.MaxBases} are looked at.");

    private static ValueTask<BlockAnswer> Refuse(BlockRefusal refusal, long total) => ValueTask.FromResult(BlockAnswer.Refused(refusal, total));

    /// <summary>The answer owns the lease, the place and the buffer; what fails before gives them back here.</summary>
    private ValueTask<BlockAnswer> ReadAsync(CopyLease lease, BlockTicket ticket, long offset, int length, CancellationToken cancellationToken) => FillAsync(
        lease, ticket, length,
        async buffer =>
        {
            await lease.Reader.ReadAsync(offset, buffer[..length], cancellationToken);
            return length;
        },
        cancellationToken);

    private async ValueTask<BlockAnswer> FillAsync(CopyLease lease, BlockTicket ticket, int room, Func<Memory<byte>, ValueTask<int>> fill, CancellationToken cancellationToken)
    {
        IDisposable? place = null;
        byte[]? buffer = null;
        try
        {
            (place, var refusal) = await gate.EnterAsync(ticket.Serial, cancellationToken);
            if (place is null)
            {
                lease.Dispose();
                return BlockAnswer.Refused(refusal!, lease.Reader.Manifest.Length);
            }

            buffer = ArrayPool<byte>.Shared.Rent(room);
            var length = await fill(buffer.AsMemory(0, room));
            Interlocked.Add(ref bytesGiven, length);
            return new BlockAnswer(buffer, buffer.AsMemory(0, length), lease.Reader.Manifest.Length, lease, place);
        }
        catch (Exception trouble)
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            place?.Dispose();
            lease.Dispose();
            if (trouble is IOException or UnauthorizedAccessException)
            {
                return BlockAnswer.Refused(BlockRefusal.Unusable($"The copy cannot be read: {trouble.Message}"), lease.Reader.Manifest.Length);
            }

            throw;
        }
    }
}
