using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Operations as the server tells them, for the pure functions that show them.</summary>
internal static class Pictures
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static Picture Publish(OperationState state, params TargetResource[] targets)
    {
        var isEnded = state is OperationState.Succeeded or OperationState.PartiallySucceeded or OperationState.Failed or OperationState.Cancelled;
        return new Picture(new OperationResource
        {
            Id = "publish-1",
            Kind = OperationKind.Publish,
            State = state,
            Image = "Win10POS",
            Version = "1.0",
            Targets = new TargetTotals
            {
                All = targets.Length,
                Open = targets.Count(target => target.Outcome == TargetOutcome.Open),
                Available = targets.Count(target => target.Outcome == TargetOutcome.Available),
                Failed = targets.Count(target => target.Outcome == TargetOutcome.Failed),
                Cancelled = targets.Count(target => target.Outcome == TargetOutcome.Cancelled),
            },
            Progress = new OperationProgress { DoneBytes = 50, TotalBytes = 100, DoneChunks = 5, TotalChunks = 10, BytesPerSecond = 300 << 20, RemainingSeconds = 75 },
            CreatedAt = Start,
            ChangedAt = Start,
            EndedAt = isEnded ? Start.AddSeconds(74) : null,
        }, targets);
    }

    public static TargetResource Moving(string pod, CopyState state = CopyState.Replicating, long sent = 40) => new()
    {
        Pod = pod,
        Outcome = TargetOutcome.Open,
        State = state,
        Tries = 1,
        Progress = new TransferProgress
        {
            Phase = state,
            NeededChunks = 100,
            ResumedChunks = 0,
            StagedChunks = (int)sent,
            NeededBytes = 100L << 20,
            SentBytes = sent << 20,
            VerifiedBytes = 0,
            ToVerifyBytes = 100L << 20,
            BytesPerSecond = 120 << 20,
            RemainingSeconds = 8,
            StartedAt = Start,
        },
    };

    public static TargetResource Waiting(string pod) => new() { Pod = pod, Outcome = TargetOutcome.Open, State = CopyState.Pending, Tries = 0 };

    public static TargetResource Done(string pod) => new() { Pod = pod, Outcome = TargetOutcome.Available, State = CopyState.Available, Tries = 1 };

    public static TargetResource Failed(string pod) => new() { Pod = pod, Outcome = TargetOutcome.Failed, State = CopyState.Failed, Tries = 5, Fault = NoRoom };

    public static TargetResource Again(string pod) => new() { Pod = pod, Outcome = TargetOutcome.Open, State = CopyState.RetryPending, Tries = 2, Fault = NoRoom };

    public static Fault NoRoom { get; } = new() { Code = "receive.no-room", Stage = "receive", Cause = "noRoom", Detail = "ds1 has 12 MiB left of 40 GiB.", NextStep = "Make room.", IsRetryable = true };
}
