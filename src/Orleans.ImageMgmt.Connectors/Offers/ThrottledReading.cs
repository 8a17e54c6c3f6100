using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Ranged reads that ask a limit of rate first.</summary>
internal static class ThrottledReading
{
    /// <summary>Reads all of the buffer, in as many parts as the limit makes of it.</summary>
    public static async ValueTask ReadAsync(
        this IContentReader reader, long offset, Memory<byte> buffer, Func<int, CancellationToken, ValueTask<int>>? throttle, CancellationToken cancellationToken)
    {
        for (var done = 0; done < buffer.Length;)
        {
            var part = throttle is null ? buffer.Length : await throttle(buffer.Length - done, cancellationToken);
            await reader.ReadAsync(offset + done, buffer.Slice(done, part), cancellationToken);
            done += part;
        }
    }
}
