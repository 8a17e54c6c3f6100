namespace Orleans.ImageMgmt.Content;

/// <summary>One request for blocks and its answer: up to 2 MiB of blocks that may lie in many pieces, packed together. Begun at once; disposed when no piece needs it any more.</summary>
internal sealed class BlockAsk : IDisposable
{
    private readonly BuildSite site;
    private readonly long[] blocks;
    private readonly byte[] buffer;
    private readonly CancellationTokenSource stop;
    private readonly Task arriving;
    private Task asking = Task.CompletedTask;

    /// <param name="blocks">Rising, at most as many as a request may name.</param>
    public BlockAsk(BuildSite site, long[] blocks, CancellationToken cancellationToken)
    {
        this.site = site;
        this.blocks = blocks;
        buffer = PieceBuffers.RentAnswer(blocks.Length);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        arriving = AskAsync(new BlockRequest(NumberRuns.Of(blocks), 0, []));
    }

    /// <summary>The first piece that has blocks in it.</summary>
    public int FirstPiece => (int)(blocks[0] / BlockLayout.BlocksPerPiece);

    /// <summary>The last piece that has blocks in it.</summary>
    public int LastPiece => (int)(blocks[^1] / BlockLayout.BlocksPerPiece);

    /// <summary>All its blocks lie in one piece.</summary>
    public bool IsOfOnePiece => FirstPiece == LastPiece;

    /// <summary>Why the answer cannot be used; null when it was unpacked. That it holds the right bytes is another matter.</summary>
    public string? Trouble { get; private set; }

    /// <exception cref="IOException">The source failed.</exception>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    public Task ArriveAsync(CancellationToken cancellationToken) => arriving.WaitAsync(cancellationToken);

    /// <summary>The bytes of one block, or nothing when it was not asked for here.</summary>
    public ReadOnlySpan<byte> BytesOf(long block)
    {
        var at = Array.BinarySearch(blocks, block);
        return at < 0 ? [] : buffer.AsSpan(at * BlockLayout.BlockLength, (int)Math.Min(BlockLayout.BlockLength, site.Manifest.Length - (block * BlockLayout.BlockLength)));
    }

    public void Dispose()
    {
        // Whoever does not listen to the token may still write: the buffer goes back only when that is over.
        stop.Cancel();
        _ = FreeAsync();
    }

    private async Task FreeAsync()
    {
        await arriving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        PieceBuffers.ReturnAnswer(buffer);
        stop.Dispose();
    }

    private async Task AskAsync(BlockRequest request)
    {
        var length = request.BytesIn(site.Manifest.Length);
        var guess = await site.Rate.AskAsync(BlockLayout.OffsetOf(FirstPiece), length, stop.Token);
        var choice = site.Gauge.Begin(site.IsWorthWindows && blocks.Length <= BlockRequest.UsualBlocks);
        var frame = PieceBuffers.RentAnswer(blocks.Length);
        var ask = site.Blocks.ReadBlocksAsync(request with { Level = choice.Level, Bases = choice.Windows ? site.Bases : [] }, frame, stop.Token).AsTask();
        asking = ask;
        var arrived = await ask.WaitAsync(site.Options.StallTimeout, site.Options.TimeProvider, stop.Token);
        site.Gauge.End(choice, arrived);
        site.Rate.Settle(length, guess, arrived);
        site.Arrived(arrived);
        try
        {
            BlockUnpacker.Unpack(frame.AsSpan(0, Math.Clamp(arrived, 0, frame.Length)), buffer.AsSpan(0, length), choice.Windows ? site.BaseLengths : [], site.ReadWindow);
        }
        catch (InvalidDataException trouble)
        {
            Trouble = trouble.Message;
            site.AnsweredBadly();
        }

        PieceBuffers.ReturnAnswer(frame);
    }
}

/// <summary>The requests for the missing blocks of one batch, in order; each is begun shortly before its first piece is built.</summary>
internal sealed class BlockAsks : IDisposable
{
    /// <summary>Fewer would pack badly: 64 KiB.</summary>
    private const int LeastBlocks = 16;

    private readonly BuildSite site;
    private readonly CancellationToken cancellationToken;
    private readonly Queue<BlockAsk> begun = [];
    private readonly IEnumerator<long> rest;
    private bool isMore;

    public BlockAsks(BuildSite site, BlockBatch batch, CancellationToken cancellationToken)
    {
        (this.site, this.cancellationToken) = (site, cancellationToken);
        rest = batch.Missing().GetEnumerator();
        isMore = rest.MoveNext();
        if (isMore)
        {
            site.Rate.LearnAsync(rest.Current * BlockLayout.BlockLength, BlockRequest.UsualBlocks * BlockLayout.BlockLength, cancellationToken).AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>Begins as many as may be on their way at once.</summary>
    /// <param name="piece">The piece that is built next.</param>
    /// <param name="isAlone">No other piece is being built: then all that it needs has to come, however many that are.</param>
    /// <returns>Whether all that the piece needs is on its way.</returns>
    public bool TryBegin(int piece, bool isAlone)
    {
        while (isMore && (begun.Count < site.Options.Blocks.Window || (isAlone && IsNeeded(piece))))
        {
            begun.Enqueue(new BlockAsk(site, Take(), cancellationToken));
        }

        return !isMore || !IsNeeded(piece);
    }

    /// <summary>Those that may have blocks of the piece.</summary>
    public BlockAsk[] Of(int piece) => [.. begun.Where(ask => ask.FirstPiece <= piece && ask.LastPiece >= piece)];

    /// <summary>The piece and all before it are built.</summary>
    public void Built(int piece)
    {
        while (begun.TryPeek(out var ask) && ask.LastPiece <= piece)
        {
            begun.Dequeue().Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var ask in begun)
        {
            ask.Dispose();
        }

        rest.Dispose();
    }

    /// <summary>As many blocks as the next answer may have.</summary>
    private long[] Take()
    {
        var longest = site.Gauge.MayBeLong ? site.Blocks.MaxBlocksAt(rest.Current) : BlockRequest.UsualBlocks;
        var most = site.Rate.Most(LeastBlocks * BlockLayout.BlockLength, longest * BlockLayout.BlockLength) / BlockLayout.BlockLength;
        var blocks = new List<long>(most);
        for (; isMore && blocks.Count < most; isMore = rest.MoveNext())
        {
            blocks.Add(rest.Current);
        }

        return [.. blocks];
    }

    private bool IsNeeded(int piece) => rest.Current / BlockLayout.BlocksPerPiece <= piece;
}
