using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>What a copy on one pod would take, found out without changing anything.</summary>
/// <param name="Pod">Which pod.</param>
/// <param name="Refusal">Why the pod would get nothing; null when it would.</param>
/// <param name="Receive">What the transfer would take; null when it cannot be told.</param>
/// <param name="Unknown">Why it cannot be told; null when it can.</param>
/// <param name="Caps">The pod's caps.</param>
/// <param name="BytesPerSecond">What was measured here; null before the first transfer.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PodPlan)]
public sealed record PodPlan(
    [property: Id(0)] PodName Pod,
    [property: Id(1)] Refusal? Refusal,
    [property: Id(2)] PodReceive? Receive,
    [property: Id(3)] string? Unknown,
    [property: Id(4)] PodCaps? Caps,
    [property: Id(5)] long? BytesPerSecond);

/// <summary>Bytes and room of one transfer.</summary>
/// <param name="Datastore">Where it would go.</param>
/// <param name="BytesToSend">At most so many bytes would travel.</param>
/// <param name="BytesStaged">Bytes that an earlier try has staged.</param>
/// <param name="BytesReused">Bytes that stand in other copies on the pod.</param>
/// <param name="RoomNeeded">Bytes that it would take up beyond what is taken now.</param>
/// <param name="RoomFree">Bytes that a copy may still take there; null where the platform does not say.</param>
/// <param name="IsHeld">The pod holds the final copy: nothing would be done.</param>
/// <param name="ByBlocks">What would travel was compared block by block.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PodReceive)]
public sealed record PodReceive(
    [property: Id(0)] string Datastore,
    [property: Id(1)] long BytesToSend,
    [property: Id(2)] long BytesStaged,
    [property: Id(3)] long BytesReused,
    [property: Id(4)] long RoomNeeded,
    [property: Id(5)] long? RoomFree,
    [property: Id(6)] bool IsHeld,
    [property: Id(7)] bool ByBlocks = false);
