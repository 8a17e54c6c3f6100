using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Content;

/// <summary>A finished copy on the same pod, from which chunks and blocks may be taken that would else have to travel. The handle stays the caller's.</summary>
/// <param name="SidePath">Where the digests of its blocks are kept; null: nowhere.</param>
public sealed record OwnCopy(SafeFileHandle File, ContentManifest Manifest, string? SidePath = null);

/// <summary>Fills empty chunks of a staging file with bytes that the pod holds already, wherever in its copies they lie.</summary>
/// <remarks>Nothing is believed: what was filled in is hashed afterwards like everything else that is found staged, and what is not right
/// there is asked from the source.</remarks>
internal sealed class OwnChunks(ContentManifest manifest, IReadOnlyList<OwnCopy> copies)
{
    /// <summary>Copies on another file system, or on one that cannot share blocks.</summary>
    private readonly HashSet<int> apart = [];

    /// <summary>Where each digest lies that is wanted; -1 where it has not been found. Holds wanted digests only, whatever the copies hold.</summary>
    private readonly Dictionary<ChunkKey, (int Copy, int Chunk)> found = [];

    /// <param name="empty">Chunks of data without a byte yet, rising.</param>
    /// <returns>Those of them that lie in a copy, rising.</returns>
    public List<int> Locate(IReadOnlyList<int> empty)
    {
        Find(empty);
        return [.. empty.Where(chunk => found[KeyOf(manifest, chunk)].Copy >= 0)];
    }

    /// <param name="staging">Where to write to.</param>
    /// <param name="there">What <see cref="Locate"/> gave.</param>
    /// <param name="staged">Hears of each chunk that has its bytes: it is to be read back.</param>
    /// <param name="observer">Hears how far it is.</param>
    /// <exception cref="IOException">The staging file cannot be written. A copy that cannot be read is passed over.</exception>
    public void Fill(SafeFileHandle staging, IReadOnlyList<int> there, ProofBook book, Action<int> staged, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var readers = copies.Select(copy => DirectFile.ForReading(copy.File)).ToList();
        using var writer = new StagingWriter(staging, ReceiveOptions.DefaultWriteBackBytes, book);
        var buffer = DiskBuffers.Rent();
        try
        {
            for (var i = 0; i < there.Count;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var side = SideBySide(there, i);
                Copy(there[i], there[i + side - 1], readers, writer, buffer, cancellationToken);
                for (var k = i; k < i + side; k++)
                {
                    staged(there[k]);
                }

                i += side;
                observer.Advanced(i, there.Count);
            }
        }
        finally
        {
            DiskBuffers.Return(buffer);
            readers.ForEach(reader => reader.Dispose());
        }

        writer.Finish();
    }

    private static ChunkKey KeyOf(ContentManifest manifest, int chunk) => MemoryMarshal.Read<ChunkKey>(manifest.DigestOf(chunk));

    private void Find(IReadOnlyList<int> empty)
    {
        foreach (var chunk in empty)
        {
            found[KeyOf(manifest, chunk)] = (-1, -1);
        }

        for (var copy = 0; copy < copies.Count; copy++)
        {
            var held = copies[copy].Manifest;
            for (var chunk = 0; chunk < held.ChunkCount; chunk++)
            {
                if (found.TryGetValue(KeyOf(held, chunk), out var place) && place.Copy < 0)
                {
                    found[KeyOf(held, chunk)] = (copy, chunk);
                }
            }
        }
    }

    /// <summary>How many chunks from here on follow each other both here and where they are taken from, and fit the buffer.</summary>
    private int SideBySide(IReadOnlyList<int> chunks, int first)
    {
        var place = found[KeyOf(manifest, chunks[first])];
        var count = 1;
        while ((count + 1) * (long)manifest.ChunkSize <= DiskBuffers.Length && first + count < chunks.Count && chunks[first + count] == chunks[first] + count
            && copies[place.Copy].Manifest.ChunkSize == manifest.ChunkSize && found[KeyOf(manifest, chunks[first + count])] == (place.Copy, place.Chunk + count))
        {
            count++;
        }

        return count;
    }

    private void Copy(int first, int last, List<DirectFile> readers, StagingWriter writer, DiskBuffer buffer, CancellationToken cancellationToken)
    {
        var place = found[KeyOf(manifest, first)];
        var at = manifest.OffsetOf(first);
        var from = copies[place.Copy].Manifest.OffsetOf(place.Chunk);
        var end = manifest.OffsetOf(last) + manifest.LengthOf(last);
        if (!apart.Contains(place.Copy) && writer.TryClone(copies[place.Copy].File, from, end - at, at) is var shared && shared is not false)
        {
            if (shared is true)
            {
                return;
            }

            apart.Add(place.Copy);
        }

        while (at < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var piece = buffer.Span[..(int)Math.Min(end - at, DiskBuffers.Length)];
            if (!TryRead(readers[place.Copy], buffer, piece.Length, from))
            {
                return;
            }

            writer.Write(piece, at);
            at += piece.Length;
            from += piece.Length;
        }
    }

    /// <summary>False where the copy cannot give the bytes: then the source will.</summary>
    private static bool TryRead(DirectFile copy, DiskBuffer buffer, int length, long offset)
    {
        try
        {
            return copy.TryReadNearest(buffer.Span, length, offset);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>A SHA-256 as a key.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct ChunkKey(ulong A, ulong B, ulong C, ulong D);
}
