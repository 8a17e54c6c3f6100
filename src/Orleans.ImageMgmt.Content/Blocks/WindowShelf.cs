using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>A base that a sender holds too, open for reading windows of it; whoever asked for it closes it.</summary>
/// <param name="SidePath">Where the digests of its blocks are kept; null: nowhere.</param>
public sealed record OpenBase(SafeFileHandle File, ContentManifest Manifest, string? SidePath = null);

/// <summary>Window indexes of bases, shared by all transfers of the process. The last few are kept: a publish reads one base for all its pods.</summary>
internal static class WindowShelf
{
    /// <summary>32 MiB each.</summary>
    private const int Kept = 2;

    /// <summary>An answer does not wait longer for an index that is still being made; it goes without windows then.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static readonly Lock Gate = new();
    private static readonly List<(Digest Content, Task<WindowIndex> Index)> Shelf = [];

    /// <summary>Null where there is none in time.</summary>
    /// <param name="open">A handle of its own for the thread that makes the index; closed by it. Null when the base is gone.</param>
    public static async Task<WindowIndex?> GetAsync(ContentManifest manifest, Func<OpenBase?> open, CancellationToken cancellationToken)
    {
        if (manifest.DataLength > WindowIndex.MaxDataLength)
        {
            return null;
        }

        Task<WindowIndex> making;
        lock (Gate)
        {
            making = Find(manifest, open);
        }

        try
        {
            return await making.WaitAsync(Patience, TimeProvider.System, cancellationToken);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException or TimeoutException)
        {
            return null;
        }
    }

    private static Task<WindowIndex> Find(ContentManifest manifest, Func<OpenBase?> open)
    {
        var at = Shelf.FindIndex(entry => entry.Content == manifest.ContentDigest);
        var entry = at >= 0 && !Shelf[at].Index.IsFaulted ? Shelf[at] : (manifest.ContentDigest, PieceBuffers.RunAsync(() => Make(open), CancellationToken.None));
        if (at >= 0)
        {
            Shelf.RemoveAt(at);
        }

        Shelf.Insert(0, entry);
        if (Shelf.Count > Kept)
        {
            Shelf.RemoveAt(Kept);
        }

        return entry.Item2;
    }

    private static WindowIndex Make(Func<OpenBase?> open)
    {
        var found = open() ?? throw new FileNotFoundException("The base is gone.");
        using (found.File)
        {
            return WindowIndex.Make(found.File, found.Manifest, CancellationToken.None);
        }
    }
}
