using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// For connectors whose pods can be given a source in pieces, for users whose disk is on their own machine. Nothing appears under the source's
/// name before the last byte has come and the digest is right; then all of it does. What was acknowledged survives a restart.
/// </summary>
public interface ISourceIntake
{
    /// <summary>Makes room for a source. A parcel with this id that is already there is returned as it is.</summary>
    /// <param name="parcel">Its id, name, length and expected digest.</param>
    /// <param name="limit">Open parcels that the pod may have.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    Task<IntakeResult> BeginAsync(SourceParcel parcel, int limit, CancellationToken cancellationToken);

    Task<IntakeResult> FindAsync(string id, CancellationToken cancellationToken);

    /// <summary>Takes bytes from an offset on, until the stream ends or breaks; what has come is durable when it returns or throws.</summary>
    Task<IntakeResult> AppendAsync(string id, long offset, Stream piece, CancellationToken cancellationToken);

    /// <summary>Throws a parcel away; a source that is complete stays.</summary>
    Task<IntakeResult> DiscardAsync(string id, CancellationToken cancellationToken);

    /// <summary>Throws away what has not moved since that time.</summary>
    Task ExpireAsync(DateTimeOffset before, CancellationToken cancellationToken);
}

/// <summary>A source on its way to a pod.</summary>
/// <param name="Id">Its id; unique on all pods.</param>
/// <param name="Name">File name that it gets.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="Digest">SHA-256 that it has to have; once complete, the one that it has.</param>
/// <param name="Offset">Bytes that are durable.</param>
/// <param name="CreatedAt">When it was begun.</param>
/// <param name="ChangedAt">When bytes came last.</param>
/// <param name="IsComplete">The source is there under its name.</param>
public sealed record SourceParcel(string Id, string Name, long Length, Digest? Digest, long Offset, DateTimeOffset CreatedAt, DateTimeOffset ChangedAt, bool IsComplete);

/// <summary>A parcel, or an expected no.</summary>
public sealed record IntakeResult(SourceParcel? Parcel, Refusal? Refusal)
{
    public static implicit operator IntakeResult(SourceParcel parcel) => new(parcel, null);

    public static IntakeResult Refuse(string code, string message, string hint) => new(null, new Refusal(code, message, hint));
}
