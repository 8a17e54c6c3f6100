namespace Orleans.ImageMgmt.Content;

/// <summary>Asks a source for the digests of a batch.</summary>
internal static class BlockDigests
{
    /// <summary>Runs of pieces that lie side by side are asked together; some are on their way at once.</summary>
    /// <exception cref="SourceUnreadableException">The source failed.</exception>
    /// <exception cref="SourceCorruptException">It ends too early.</exception>
    public static void Fetch(BuildSite site, BlockBatch batch, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asked = new Queue<(int Index, Task<byte[]> Answer)>();
        try
        {
            for (var next = 0; next < batch.Pieces.Count || asked.Count > 0;)
            {
                while (next < batch.Pieces.Count && asked.Count < BlockOptions.DigestWindow)
                {
                    var run = SideBySide(batch, next);
                    asked.Enqueue((next, AskAsync(site, batch.Pieces[next], run, stop.Token)));
                    next += run;
                }

                var (index, answer) = asked.Dequeue();
                Take(site, batch, index, answer, cancellationToken);
            }
        }
        finally
        {
            stop.Cancel();
            foreach (var (_, answer) in asked)
            {
                _ = answer.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            }
        }
    }

    internal static int SideBySide(BlockBatch batch, int first)
    {
        var count = 1;
        while (first + count < batch.Pieces.Count && count < BlockLayout.MaxPiecesPerRequest && batch.Pieces[first + count] == batch.Pieces[first] + count)
        {
            count++;
        }

        return count;
    }

    private static async Task<byte[]> AskAsync(BuildSite site, int firstPiece, int pieces, CancellationToken cancellationToken)
    {
        var digests = new byte[BlockLayout.DigestsLength(site.Manifest.Length, firstPiece, pieces)];
        if (site.Throttle is { } throttle)
        {
            await WireRate.AllAsync(throttle, BlockLayout.OffsetOf(firstPiece), digests.Length, cancellationToken);
        }

        await site.Blocks.ReadDigestsAsync(firstPiece, pieces, digests, cancellationToken).AsTask()
            .WaitAsync(site.Options.StallTimeout, site.Options.TimeProvider, cancellationToken);
        site.Arrived(digests.Length);
        return digests;
    }

    private static void Take(BuildSite site, BlockBatch batch, int index, Task<byte[]> answer, CancellationToken cancellationToken)
    {
        var offset = BlockLayout.OffsetOf(batch.Pieces[index]);
        try
        {
            answer.WaitAsync(cancellationToken).GetAwaiter().GetResult().CopyTo(batch.DigestBytes(index, SideBySide(batch, index)));
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
}
