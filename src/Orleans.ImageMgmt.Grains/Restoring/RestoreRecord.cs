using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>That this store came out of a backup, and what the look at the pods found since.</summary>
public sealed class RestoreRecord : StoredState
{
    private const string Key = "service";
    private const string Name = "restore";

    /// <summary>New versions begin above it, because a pod may have seen generations of a version that the backup does not know.</summary>
    public long GenerationFloor { get; init; }

    public DateTimeOffset BackupMadeAt { get; init; }

    public DateTimeOffset RestoredAt { get; init; }

    /// <summary>Every pod has been asked what it really holds.</summary>
    public bool IsReconciled { get; init; }

    /// <summary>Pods that could not be asked yet.</summary>
    public IReadOnlyList<PodName> Waiting { get; init; } = [];

    /// <summary>Copies that were read back.</summary>
    public int Checked { get; init; }

    /// <summary>Copies that the backup held for available and that are gone or damaged.</summary>
    public int Lost { get; init; }

    /// <summary>Copies that pods hold and the backup does not know; nothing is done about them.</summary>
    public int Unknown { get; init; }

    public static async Task<RestoreRecord?> ReadAsync(IDurableStore store, CancellationToken cancellationToken) =>
        await store.ReadAsync(Key, Name, cancellationToken) is { } row ? StateJson.Load<RestoreRecord>(row.Payload.Span, $"{Key} {Name}") : null;

    internal RowWrite ToWrite(params IReadOnlyList<Projection> lines) => new(Key, Name, RowWrite.AnyETag, StateJson.Save(this), lines);
}

/// <summary>The generation above which new versions of this service begin.</summary>
/// <param name="Value">0 in a service that never came out of a backup.</param>
public sealed record GenerationFloor(long Value)
{
    internal Generation Generation => new(Value);
}
