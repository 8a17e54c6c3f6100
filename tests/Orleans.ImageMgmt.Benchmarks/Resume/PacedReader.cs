using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Benchmarks.Resume;

/// <summary>A copy behind a link: bytes come at a rate, and after a while the link breaks for all that is on its way and all that is asked later.</summary>
internal sealed class PacedReader(IContentReader inner, long bytesPerSecond, TimeSpan? breaksAfter) : IContentReader
{
    private readonly Lock gate = new();
    private long began;
    private TimeSpan busyUntil;

    public ContentManifest Manifest => inner.Manifest;

    public SafeFileHandle? LocalFile => null;

    /// <summary>Bytes that were asked, whether they came or not.</summary>
    public long Asked { get; private set; }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        TimeSpan wait;
        bool breaks;
        lock (gate)
        {
            began = began == 0 ? TimeProvider.System.GetTimestamp() : began;
            Asked += buffer.Length;
            var now = TimeProvider.System.GetElapsedTime(began);
            busyUntil = (busyUntil > now ? busyUntil : now) + TimeSpan.FromSeconds((double)buffer.Length / bytesPerSecond);
            breaks = busyUntil > breaksAfter;
            wait = (breaks ? breaksAfter!.Value : busyUntil) - now;
        }

        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, TimeProvider.System, cancellationToken);
        }

        if (breaks)
        {
            throw new IOException("The link broke.");
        }

        await inner.ReadAsync(offset, buffer, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
