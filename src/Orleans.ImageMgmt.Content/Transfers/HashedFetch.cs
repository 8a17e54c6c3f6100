using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Fetches chunks piece by piece with a bounded window in flight, hashes each on arrival and writes it.</summary>
internal sealed class HashedFetch(
    IContentReader source,
    StagingWriter writer,
    ReceiveOptions options,
    StagedWatch watch,
    CancellationToken cancellationToken)
{
    private readonly ContentManifest manifest = source.Manifest;

    /// <param name="chunks">Data chunks, rising.</param>
    /// <param name="tainted">They hold other bytes now: clear them before the first good byte is written.</param>
    /// <returns>Bytes asked from the source.</returns>
    public long Run(IReadOnlyList<int> chunks, bool tainted)
    {
        long bytes = 0;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var inFlight = new Queue<PieceFetch>(options.Window);
        var before = Task.CompletedTask;
        using var pieces = Pieces(chunks).GetEnumerator();
        var more = pieces.MoveNext();
        try
        {
            while (more || inFlight.Count > 0)
            {
                while (more && inFlight.Count < options.Window)
                {
                    if (pieces.Current.First)
                    {
                        watch.Requested(pieces.Current.Chunk);
                    }

                    var begun = PieceFetch.Begin(source, pieces.Current, options, watch.Observer, before, cancellationToken);
                    before = begun.Allowed;
                    inFlight.Enqueue(begun);
                    bytes += pieces.Current.Length;
                    more = pieces.MoveNext();
                }

                using var piece = inFlight.Dequeue();
                bytes += Take(piece, hash, tainted);
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            foreach (var piece in inFlight)
            {
                piece.Dispose();
            }
        }

        writer.Finish();
        return bytes;
    }

    /// <returns>Bytes that had to be asked again.</returns>
    private long Take(PieceFetch fetch, IncrementalHash hash, bool tainted)
    {
        var piece = fetch.Place;
        var bytes = fetch.Await();
        if (piece.First && tainted)
        {
            writer.Clear(piece.Offset, manifest.LengthOf(piece.Chunk));
        }

        hash.AppendData(bytes);
        if (!piece.Last)
        {
            // A chunk of many pieces is written before its digest is known: holding it back would cost memory. It counts as staged only afterwards.
            writer.Write(bytes, piece.Offset);
            return 0;
        }

        long again = 0;
        if (Matches(piece.Chunk, hash))
        {
            writer.Write(bytes, piece.Offset);
        }
        else
        {
            again = AskAgain(piece.Chunk, hash);
        }

        watch.Staged(piece.Chunk, isHashed: true);
        return again;
    }

    private long AskAgain(int chunk, IncrementalHash hash)
    {
        long bytes = 0;
        for (var retry = 0; retry < options.ChunkRetries; retry++)
        {
            (source as IDirectedReader)?.Rejected(chunk);
            writer.Clear(manifest.OffsetOf(chunk), manifest.LengthOf(chunk));
            watch.Requested(chunk);
            foreach (var place in Pieces([chunk]))
            {
                using var fetch = PieceFetch.Begin(source, place, options, watch.Observer, Task.CompletedTask, cancellationToken);
                var piece = fetch.Await();
                hash.AppendData(piece);
                writer.Write(piece, place.Offset);
                bytes += piece.Length;
            }

            if (Matches(chunk, hash))
            {
                return bytes;
            }
        }

        writer.Clear(manifest.OffsetOf(chunk), manifest.LengthOf(chunk));
        throw new SourceCorruptException(
            chunk,
            manifest.OffsetOf(chunk),
            $"Chunk {chunk} at byte {manifest.OffsetOf(chunk)} came {options.ChunkRetries + 1} times from the source, never with the digest of its manifest.");
    }

    private bool Matches(int chunk, IncrementalHash hash)
    {
        Span<byte> digest = stackalloc byte[Digest.ByteLength];
        hash.GetHashAndReset(digest);
        return manifest.Matches(chunk, digest);
    }

    private IEnumerable<PiecePlace> Pieces(IReadOnlyList<int> chunks)
    {
        foreach (var chunk in chunks)
        {
            var length = manifest.LengthOf(chunk);
            for (var at = 0; at < length; at += PieceBuffers.PieceLength)
            {
                yield return new PiecePlace(chunk, manifest.OffsetOf(chunk) + at, Math.Min(PieceBuffers.PieceLength, length - at), at == 0, at + PieceBuffers.PieceLength >= length);
            }
        }
    }
}
