namespace Orleans.ImageMgmt.Api;

/// <summary>What a publish would take; nothing was changed to find out.</summary>
public sealed record PublishPlanResource
{
    /// <summary>The image.</summary>
    public required string Image { get; init; }

    /// <summary>The version.</summary>
    public required string Version { get; init; }

    /// <summary>Bytes that would travel to the pods of this page together, at most, as far as they can tell.</summary>
    public required long SendBytes { get; init; }

    /// <summary>Pods of the whole plan.</summary>
    public required int AllPods { get; init; }

    /// <summary>The pods of this page, by name: every pod that is meant has a row on one of the pages.</summary>
    public required IReadOnlyList<PodPlanResource> Pods { get; init; }

    /// <summary>Send it as <c>cursor</c> with the same body to get the next page; absent on the last one.</summary>
    public string? NextCursor { get; init; }
}

/// <summary>What a copy on one pod would take. Numbers are absent where the pod cannot tell; see <see cref="Unknown"/>.</summary>
public sealed record PodPlanResource
{
    /// <summary>The pod.</summary>
    public required string Pod { get; init; }

    /// <summary>Bytes that would travel, at most: blocks or chunks that the pod does not hold, as they are. Packing makes it less.</summary>
    public long? SendBytes { get; init; }

    /// <summary>What would travel was compared block by block (the source lies behind a link); else it is counted in whole chunks.</summary>
    public bool ByBlocks { get; init; }

    /// <summary>Bytes that an earlier try has staged.</summary>
    public long? StagedBytes { get; init; }

    /// <summary>Bytes that stand in other copies on the pod.</summary>
    public long? ReusedBytes { get; init; }

    /// <summary>The pod holds the final copy: nothing would be done.</summary>
    public bool IsThere { get; init; }

    /// <summary>Where it would go.</summary>
    public string? Datastore { get; init; }

    /// <summary>Bytes that it would take up beyond what is taken now.</summary>
    public long? RoomNeededBytes { get; init; }

    /// <summary>Bytes that a copy may still take there.</summary>
    public long? RoomFreeBytes { get; init; }

    /// <summary>The rate that counts now: the lowest of what was measured and of what the caps leave, shared by all pods of the plan.</summary>
    public long? BytesPerSecond { get; init; }

    /// <summary>How long the bytes take, the calendars of the caps considered; absent before the first transfer to a pod without caps.</summary>
    public long? ExpectedSeconds { get; init; }

    /// <summary>Code of the reason why the pod would get nothing; absent when it would.</summary>
    public string? RefusalCode { get; init; }

    /// <summary>The same as a sentence, with what to do.</summary>
    public string? Refusal { get; init; }

    /// <summary>Why the numbers cannot be told; absent when they can.</summary>
    public string? Unknown { get; init; }
}
