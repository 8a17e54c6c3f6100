namespace Orleans.ImageMgmt.Content;

/// <summary>Asks a source for the digests of a batch.</summary>
internal static class BlockDigests
{
    /// <summary>Several requests are on their way at once. What the source tells against a base that this pod holds too is filled in from there.</summary>
    /// <exception cref="SourceUnreadableException">The source failed.</exception>
    /// <exception cref="SourceCorruptException">It ends too early.</exception>
    /// <exception cref="InvalidDataException">It did not answer what was asked.</exception>
    public static void Fetch(BuildSite site, BlockBatch batch, OwnBlocks own, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asked = new Queue<(int Index, int Count, Task<ReadOnlyMemory<byte>> Answer)>();
        try
        {
            for (var next = 0; next < batch.Pieces.Count || asked.Count > 0;)
            {
                while (next < batch.Pieces.Count && asked.Count < BlockOptions.DigestWindow)
                {
                    var count = Math.Min(BlockOptions.DigestPieces, batch.Pieces.Count - next);
                    asked.Enqueue((next, count, AskAsync(site, batch, next, count, stop.Token)));
                    next += count;
                }

                var (index, pieces, answer) = asked.Dequeue();
                Take(batch, own, index, pieces, Await(site, batch.Pieces[index], answer, cancellationToken).Span, cancellationToken);
            }
        }
        finally
        {
            stop.Cancel();
            foreach (var (_, _, answer) in asked)
            {
                _ = answer.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            }
        }
    }

    private static async Task<ReadOnlyMemory<byte>> AskAsync(BuildSite site, BlockBatch batch, int index, int count, CancellationToken cancellationToken)
    {
        var request = new DigestRequest(NumberRuns.Of(batch.Pieces.Skip(index).Take(count).Select(piece => (long)piece)), site.Bases);
        var answer = new byte[DigestAnswer.MaxLength(count)];
        var guess = await site.DigestRate.AskAsync(BlockLayout.OffsetOf(batch.Pieces[index]), answer.Length, cancellationToken);
        var arrived = await site.Blocks.ReadDigestsAsync(request, answer, cancellationToken).AsTask()
            .WaitAsync(site.Options.StallTimeout, site.Options.TimeProvider, cancellationToken);
        site.DigestRate.Settle(answer.Length, guess, arrived);
        site.Arrived(arrived);
        return answer.AsMemory(0, Math.Clamp(arrived, 0, answer.Length));
    }

    private static ReadOnlyMemory<byte> Await(BuildSite site, int piece, Task<ReadOnlyMemory<byte>> answer, CancellationToken cancellationToken)
    {
        var offset = BlockLayout.OffsetOf(piece);
        try
        {
            return answer.WaitAsync(cancellationToken).GetAwaiter().GetResult();
        }
        catch (EndOfStreamException trouble)
        {
            throw new SourceCorruptException((int)(offset / site.Manifest.ChunkSize), offset, $"The source ends too early: {trouble.Message}", trouble);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            throw new SourceUnreadableException((int)(offset / site.Manifest.ChunkSize), offset, trouble);
        }
    }

    internal static void Take(BlockBatch batch, OwnBlocks own, int index, int count, ReadOnlySpan<byte> answer, CancellationToken cancellationToken)
    {
        if (answer.IsEmpty || answer[0] > own.BaseCount)
        {
            throw new InvalidDataException("Not the digests that were asked for: the answer is empty, or told against a base that was not offered.");
        }

        var which = answer[0] - 1;
        answer = answer[DigestAnswer.HeaderLength..];
        for (var i = index; i < index + count; i++)
        {
            var digests = batch.DigestsOf(i);
            answer = answer[DigestAnswer.ReadPiece(answer, which >= 0, digests, out var same)..];
            if (!same.IsEmpty)
            {
                own.ReadSame(which, batch.Pieces[i], same, digests, cancellationToken);
            }
        }

        if (!answer.IsEmpty)
        {
            throw new InvalidDataException($"Not the digests that were asked for: {answer.Length} bytes too many.");
        }
    }
}
