namespace Orleans.ImageMgmt.Content;

/// <summary>The source changed while it was sealed, or is being written all the time.</summary>
public sealed class SourceChangedException(string message) : IOException(message);

/// <summary>The bytes that came from the sending side do not match the manifest, or the sending side ends before it should.</summary>
public sealed class SourceCorruptException(int chunk, long offset, string message, Exception? cause = null) : IOException(message, cause)
{
    public int Chunk { get; } = chunk;

    /// <summary>Byte offset in the guest-visible bytes: where the chunk begins, or where the source ends too early.</summary>
    public long Offset { get; } = offset;
}

/// <summary>The sending side failed to read. The inner exception says how; <see cref="Exception.HResult"/> is its errno.</summary>
/// <remarks>Keeps an input error of the source apart from one of the target, which is thrown as it is.</remarks>
public sealed class SourceUnreadableException : IOException
{
    public SourceUnreadableException(int chunk, long offset, Exception cause)
        : base($"Reading chunk {chunk} at byte {offset} from the source failed: {cause.Message}", cause)
    {
        Chunk = chunk;
        Offset = offset;
        HResult = cause.HResult;
    }

    public int Chunk { get; }

    public long Offset { get; }
}

/// <summary>Bytes read back from the target do not match the manifest although good bytes were written twice.</summary>
public sealed class TargetCorruptException(int chunk, long offset, string message) : IOException(message)
{
    public int Chunk { get; } = chunk;

    public long Offset { get; } = offset;
}
