using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>An operation with what is known of each of its targets.</summary>
internal sealed record Picture(OperationResource Operation, IReadOnlyList<TargetResource> Targets)
{
    /// <summary>Pods that are shown one by one; more are folded into counts.</summary>
    public const int OneByOne = 20;

    /// <summary>What a person should know about the watching itself.</summary>
    public string? Note { get; init; }

    /// <summary><c>Win10POS 1.0</c>.</summary>
    public string Subject => Operation.Version is null ? Operation.Image : $"{Operation.Image} {Operation.Version}";

    /// <summary>How many targets there are; the list may still be on its way.</summary>
    public int Count => Math.Max(Operation.Targets?.All ?? 0, Targets.Count);

    public bool IsFolded => Count > OneByOne;

    public int Ended => Operation.Targets is { } totals ? totals.All - totals.Open : Targets.Count(target => target.Outcome != TargetOutcome.Open);

    /// <summary>0 to 1 over all targets.</summary>
    public double Share => Operation.State == OperationState.Succeeded ? 1
        : Operation.Progress is { TotalBytes: > 0 } progress ? Math.Clamp((double)progress.DoneBytes / progress.TotalBytes, 0, 1)
        : Targets.Count == 0 ? 0 : Targets.Average(ShareOf);

    public TimeSpan? Remaining => Operation.IsEnded || Operation.Progress?.RemainingSeconds is not { } seconds ? null : TimeSpan.FromSeconds(seconds);

    public double? Rate => Operation.IsEnded ? null : Operation.Progress?.BytesPerSecond;

    /// <summary>What the operation does, as a person says it.</summary>
    public string Verb => Operation.Kind switch
    {
        OperationKind.Import => "import",
        OperationKind.Publish => "publish",
        OperationKind.Delete => "delete",
        OperationKind.Verify => "verify",
        _ => "operation",
    };

    public int ExitCode => Operation.State switch
    {
        OperationState.Succeeded => ExitCodes.Well,
        OperationState.PartiallySucceeded => ExitCodes.PartiallySucceeded,
        OperationState.Failed or OperationState.Cancelled => ExitCodes.Failed,
        _ => ExitCodes.Well,
    };

    /// <summary>How far one target is, 0 to 1: receiving and reading back are each half of a copy's way.</summary>
    public static double ShareOf(TargetResource target)
    {
        if (target.Outcome == TargetOutcome.Available || target.State is CopyState.Available or CopyState.Deleted)
        {
            return 1;
        }

        if (target.Progress is not { } progress)
        {
            return 0;
        }

        var readBack = progress.ToVerifyBytes == 0 ? 0 : (double)progress.VerifiedBytes / progress.ToVerifyBytes;
        if (progress.Phase == CopyState.Preparing)
        {
            return Math.Clamp(readBack, 0, 1);
        }

        if (progress.Phase == CopyState.Finalising)
        {
            return Math.Clamp(0.5 + (readBack / 2), 0, 1);
        }

        var chunks = progress.NeededChunks + progress.ResumedChunks;
        var before = chunks == 0 ? 0 : (double)progress.ResumedChunks / chunks;
        var sent = progress.NeededBytes == 0 ? 0 : (double)progress.SentBytes / progress.NeededBytes;
        return Math.Clamp((before + ((1 - before) * sent)) / 2, 0, 0.5);
    }

    /// <summary>The state of a target as it is shown: an outcome says more than the copy's state once it is known.</summary>
    public static string StateOf(TargetResource target) => target.Outcome switch
    {
        TargetOutcome.Open => Shown.State<CopyState>(target.State),
        TargetOutcome.Available when target.State == CopyState.Deleted => Shown.State<CopyState>(target.State),
        _ => Shown.State<TargetOutcome>(target.Outcome),
    };

    /// <summary>The last sentence about an operation.</summary>
    public string Summary()
    {
        var took = Operation.EndedAt is { } end ? $" after {Shown.Clock(end - Operation.CreatedAt)}" : "";
        var (available, failed, cancelled) = (Operation.Targets?.Available ?? 0, Operation.Targets?.Failed ?? 0, Operation.Targets?.Cancelled ?? 0);
        var rest = (failed > 0 ? $", {failed} failed" : "") + (cancelled > 0 ? $", {cancelled} cancelled" : "");
        return Operation switch
        {
            { IsEnded: false } => $"{Subject}: {Verb} is {Shown.State<OperationState>(Operation.State)}",
            { Kind: OperationKind.Import, State: OperationState.Succeeded } => $"{Subject}: Deployment Complete{took}, ready to be published",
            { Kind: OperationKind.Publish, State: OperationState.Succeeded } => $"{Subject}: Available on {available} of {Count} pods{took}",
            { Kind: OperationKind.Publish, State: OperationState.PartiallySucceeded } => $"{Subject}: Partially Available on {available} of {Count} pods{rest}{took}",
            { Kind: OperationKind.Verify, State: OperationState.Succeeded } => $"{Subject}: the copy is whole{took}",
            { Kind: OperationKind.Delete, State: OperationState.Succeeded } => $"{Subject}: Deleted{took}",
            _ => $"{Subject}: {Verb} {Shown.State<OperationState>(Operation.State)}{(Count > 1 ? rest : "")}{took}",
        };
    }

    /// <summary>Each failed pod with its reason, so many that they can be read.</summary>
    public IEnumerable<string> Failures()
    {
        var failed = Targets.Where(target => target.Outcome == TargetOutcome.Failed).ToList();
        if (failed.Count == 0 && Operation.Fault is { } fault)
        {
            yield return Sentence(fault);
        }

        foreach (var target in failed.Take(OneByOne))
        {
            yield return $"{target.Pod}: {(target.Fault is null ? "Failed" : Sentence(target.Fault))}";
        }

        if (failed.Count > OneByOne)
        {
            yield return $"and {failed.Count - OneByOne} more: imgctl operation show {Operation.Id}";
        }
    }

    public static string Sentence(Fault fault) => $"{fault.Code}: {fault.Detail} {fault.NextStep}".TrimEnd();
}
