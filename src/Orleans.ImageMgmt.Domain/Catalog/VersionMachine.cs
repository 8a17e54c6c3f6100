namespace Orleans.ImageMgmt.Domain;

/// <summary>The rules of a version's life.</summary>
public static class VersionMachine
{
    /// <summary>Publishes of one version that may be open at once; a further one has to wait.</summary>
    public const int OpenPublishesLimit = 16;

    /// <summary>A version of which nothing is known.</summary>
    public static Version Initial(VersionId id) => new() { Id = id };

    /// <summary>What is going on, from the whole record.</summary>
    public static VersionStatus StatusOf(Version version)
    {
        if (version.IsDeleted)
        {
            return VersionStatus.Deleted;
        }

        if (version.Delete is not null)
        {
            return VersionStatus.Deleting;
        }

        if (version.Content is null)
        {
            return version.ImportState.IsEnded() ? VersionStatus.Failed : VersionStatus.Importing;
        }

        return version.IsDisabled ? VersionStatus.Disabled : StatusOfTargets(version);
    }

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<VersionEvent> Decide(Version version, VersionCommand command) => command switch
    {
        VersionCommand.BeginImport c => DecideImport(version, c),
        VersionCommand.Prepared c => IsImporting(version, c.Operation) ? Of(new VersionEvent.BecameComplete(c.Content, c.Receipt)) : Nothing,
        VersionCommand.PrepareFailed c => IsImporting(version, c.Operation) ? Of(new VersionEvent.ImportFailed(c.Fault)) : Nothing,
        VersionCommand.CancelImport c => IsImporting(version, c.Operation) ? Of(new VersionEvent.ImportCancelled()) : Nothing,
        VersionCommand.RetryImport c => DecideRetryImport(version, c.Operation),
        VersionCommand.BeginPublish c => DecidePublish(version, c),
        VersionCommand.PublishStarted c => version.Unstarted.Any(u => u.Operation == c.Operation) ? Of(new VersionEvent.PublishStored(c.Operation)) : Nothing,
        VersionCommand.TargetsChanged c => DecideTargets(version, c.Operation, c.Outcomes, closes: false, wasCancelled: false),
        VersionCommand.PublishEnded c => DecideTargets(version, c.Operation, c.Outcomes, closes: true, c.WasCancelled),
        VersionCommand.Disable => DecideDisable(version),
        VersionCommand.Enable => version.IsDisabled && version.Delete is null ? Of(new VersionEvent.WasEnabled()) : Missing(version) ?? Nothing,
        VersionCommand.BeginDelete c => DecideDelete(version, c),
        VersionCommand.CopyRemoved c => version.Removing.Contains(c.Pod) ? Of(new VersionEvent.CopyGone(c.Pod)) : Nothing,
        VersionCommand.CopyLost c => IsNews(version, c.Pod, c.Revision, c.Ordered) ? Of(new VersionEvent.CopyWasLost(c.Pod, c.Revision)) : Nothing,
        VersionCommand.CopyRestored c => IsNews(version, c.Pod, c.Revision, c.Ordered) ? Of(new VersionEvent.CopyIsBack(c.Pod, c.Revision)) : Nothing,
        VersionCommand.CopyLetGo c => IsNews(version, c.Pod, c.Revision, c.Ordered) && version.Lost.Contains(c.Pod) ? Of(new VersionEvent.CopyWasLetGo(c.Pod, c.Revision)) : Nothing,
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static Version Evolve(Version version, VersionEvent happened, DateTimeOffset now)
    {
        var changed = version with { ChangedAt = now, Revision = version.Revision + 1 };
        return happened switch
        {
            VersionEvent.ImportBegan e => VersionMachine.Initial(version.Id) with
            {
                Exists = true, Family = e.Family, SourcePod = e.Pod, Source = e.Source, From = e.From, Description = e.Description,
                Import = e.Operation, ImportState = OperationState.Running, Generation = version.Generation.Next(),
                ImportGeneration = version.Generation.Next(), CreatedAt = now, ChangedAt = now, Revision = changed.Revision,
            },
            VersionEvent.BecameComplete e => changed with
            {
                Content = e.Content, SourceReceipt = e.Receipt, ImportState = OperationState.Succeeded, ImportEndedAt = now, Fault = null,
            },
            VersionEvent.ImportFailed e => changed with { ImportState = OperationState.Failed, ImportEndedAt = now, Fault = e.Fault },
            VersionEvent.ImportCancelled => changed with
            {
                ImportState = OperationState.Cancelled, ImportEndedAt = now,
                Fault = new ConnectorFault(FaultStage.Prepare, FaultCause.Cancelled, "The import was cancelled.", "Import again when it is wanted."),
            },
            VersionEvent.ImportRetried => changed with
            {
                // A new generation: what the failed try may still do at the pod is about the past.
                ImportState = OperationState.Running, ImportEndedAt = null, Fault = null, Generation = version.Generation.Next(), ImportGeneration = version.Generation.Next(),
            },
            VersionEvent.PublishBegan e => changed with
            {
                Generation = version.Generation.Next(), OpenPublishes = [.. version.OpenPublishes, e.Operation], Targets = WithOpen(version.Targets, e.Targets),
                Unstarted = [.. version.Unstarted, new UnstartedPublish(e.Operation, version.Generation.Next(), e.Targets)],
            },
            VersionEvent.PublishStored e => changed with { Unstarted = [.. version.Unstarted.Where(u => u.Operation != e.Operation)] },
            VersionEvent.OutcomesChanged e => changed with { Targets = Merge(version, e.Outcomes) },
            VersionEvent.PublishClosed e => Close(changed, e),
            VersionEvent.WasDisabled => changed with { IsDisabled = true },
            VersionEvent.WasEnabled => changed with { IsDisabled = false },
            VersionEvent.DeleteBegan e => Deleting(changed with { DeleteBeganAt = now }, e.Operation),
            VersionEvent.CopyGone e => WithoutCopy(changed, e.Pod),
            VersionEvent.TargetsReopened e => changed with { Targets = WithOpen(version.Targets, e.Pods) },
            VersionEvent.CopyWasLost e => Heard(changed, e.Pod, TargetOutcome.Failed, e.Revision, isLost: true),
            VersionEvent.CopyIsBack e => Heard(changed, e.Pod, TargetOutcome.Available, e.Revision, isLost: false),
            VersionEvent.CopyWasLetGo e => WithoutTarget(Heard(changed, e.Pod, TargetOutcome.Open, e.Revision, isLost: false), e.Pod),
            _ => throw new NotSupportedException(happened.ToString()),
        };
    }

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static VersionStep Next(Version version) => StatusOf(version) switch
    {
        _ when !version.Exists => new VersionStep.Rest(),
        VersionStatus.Importing => new VersionStep.Prepare(version.SourcePod!.Value, version.Source!),
        VersionStatus.Deleting => new VersionStep.RemoveCopies(version.Removing),
        _ when version.OpenPublishes.Count > 0 => new VersionStep.DrivePublishes(version.OpenPublishes),
        _ => new VersionStep.Rest(),
    };

    private static VersionStatus StatusOfTargets(Version version)
    {
        var outcomes = version.Targets.Values;
        if (version.OpenPublishes.Count > 0 && outcomes.Contains(TargetOutcome.Open))
        {
            return VersionStatus.Replicating;
        }

        var available = outcomes.Count(o => o == TargetOutcome.Available);
        return (available, version.Targets.Count) switch
        {
            (_, 0) => VersionStatus.DeploymentComplete,
            (0, _) => VersionStatus.Failed,
            var (a, all) when a == all => VersionStatus.Available,
            _ => VersionStatus.PartiallyAvailable,
        };
    }

    private static Decision<VersionEvent> DecideImport(Version version, VersionCommand.BeginImport c)
    {
        if (version.Import == c.Operation)
        {
            return Nothing; // the same request again
        }

        if (c.Description.Length > Limits.DescriptionLength)
        {
            return Decision<VersionEvent>.Refuse("version.description-too-long",
                $"The description of {version.Id} has {c.Description.Length} characters; at most {Limits.DescriptionLength} are kept.", "Shorten it.");
        }

        // A failed import and a deleted version leave a record that a new import may take over.
        return !version.Exists || version.IsDeleted || StatusOf(version) == VersionStatus.Failed && version.Content is null
            ? Of(new VersionEvent.ImportBegan(c.Operation, c.Family, c.Pod, c.Source, c.From, c.Description))
            : Decision<VersionEvent>.Refuse("version.exists", $"{version.Id} is already {Words.Shown(StatusOf(version))}.", "Choose another version name.");
    }

    private static Decision<VersionEvent> DecideRetryImport(Version version, OperationId operation)
    {
        if (version.Import != operation || version.Delete is not null || version.ImportState is OperationState.Succeeded or OperationState.Cancelled)
        {
            return Decision<VersionEvent>.Refuse("operation.not-now",
                $"Import {operation} of {version.Id} cannot be tried again.", "Only an import that failed can; import again when the version is wanted.");
        }

        return version.ImportState == OperationState.Failed ? Of(new VersionEvent.ImportRetried()) : Nothing;
    }

    private static Decision<VersionEvent> DecidePublish(Version version, VersionCommand.BeginPublish c)
    {
        if (version.OpenPublishes.Contains(c.Operation))
        {
            // A retry while it runs: what had failed is on its way again, so that a cancel lets go of it.
            List<PodName> again = c.Ordered is null ? [] : [.. c.Targets.Where(p => version.Targets.GetValueOrDefault(p) == TargetOutcome.Failed)];
            return again.Count == 0 ? Nothing : Of(new VersionEvent.TargetsReopened(again));
        }

        if (Missing(version) is { } missing)
        {
            return missing;
        }

        if (version.Content is null || version.IsDisabled || version.Delete is not null)
        {
            var status = StatusOf(version);
            var hint = status switch
            {
                VersionStatus.Importing => "Wait until the import is in Deployment Complete.",
                VersionStatus.Disabled => "Enable it first.",
                VersionStatus.Failed => "Import it again.",
                _ => "It cannot come back: import a new version.",
            };
            return Decision<VersionEvent>.Refuse("version.not-publishable", $"{version.Id} is {Words.Shown(status)} and cannot be published.", hint);
        }

        if (c.Ordered < version.ImportGeneration)
        {
            return Decision<VersionEvent>.Refuse("publish.superseded",
                $"{version.Id} was imported anew after operation {c.Operation} was ordered.", "Publish the version as it is now.");
        }

        if (c.Targets.Count == 0)
        {
            return Decision<VersionEvent>.Refuse("publish.no-targets",
                $"No pod but the source pod {version.SourcePod} would get {version.Id}; the sealed copy there is no target.",
                $"Connect another pod of family {version.Family}, or name the pods.");
        }

        return version.OpenPublishes.Count >= OpenPublishesLimit
            ? Decision<VersionEvent>.Refuse("version.too-many-publishes", $"{version.Id} has {OpenPublishesLimit} open publishes.", "Wait for one of them, or cancel it.")
            : Of(new VersionEvent.PublishBegan(c.Operation, c.Targets));
    }

    private static Decision<VersionEvent> DecideTargets(Version version, OperationId operation, IReadOnlyDictionary<PodName, TargetOutcome> outcomes, bool closes, bool wasCancelled)
    {
        if (!version.OpenPublishes.Contains(operation))
        {
            return DecideFacts(version, outcomes);
        }

        var events = new List<VersionEvent>();
        var merged = Merge(version, outcomes);
        if (merged.Count != version.Targets.Count || merged.Any(t => version.Targets[t.Key] != t.Value))
        {
            events.Add(new VersionEvent.OutcomesChanged(outcomes));
        }

        if (closes)
        {
            events.Add(new VersionEvent.PublishClosed(operation, wasCancelled));
        }

        return new Decision<VersionEvent>(events, null);
    }

    /// <summary>From a publish that is closed here: told before, except that a copy which became available is a fact whoever says it.
    /// (A retry may run while a late word of its earlier end closed the publish here.)</summary>
    private static Decision<VersionEvent> DecideFacts(Version version, IReadOnlyDictionary<PodName, TargetOutcome> outcomes)
    {
        var news = outcomes.Where(o => o.Value == TargetOutcome.Available && !version.Lost.Contains(o.Key)
            && version.Targets.TryGetValue(o.Key, out var known) && known != TargetOutcome.Available).ToDictionary(o => o.Key, o => o.Value);
        return news.Count == 0 || version.Delete is not null ? Nothing : Of(new VersionEvent.OutcomesChanged(news));
    }

    private static Decision<VersionEvent> DecideDisable(Version version) => Missing(version) switch
    {
        { } missing => missing,
        null when version.IsDisabled => Nothing,
        null when version.Content is null || version.Delete is not null => Decision<VersionEvent>.Refuse("version.not-disableable",
            $"{version.Id} is {Words.Shown(StatusOf(version))}; only an imported version can be disabled.", "Wait for the import, or cancel it."),
        _ => Of(new VersionEvent.WasDisabled()),
    };

    private static Decision<VersionEvent> DecideDelete(Version version, VersionCommand.BeginDelete c)
    {
        if (Missing(version) is { } missing)
        {
            return missing;
        }

        if (version.Delete is not null)
        {
            return Nothing; // already being deleted
        }

        return version.OpenPublishes.Count > 0 || StatusOf(version) == VersionStatus.Importing
            ? Decision<VersionEvent>.Refuse("version.busy", $"{version.Id} is {Words.Shown(StatusOf(version))}.", "Cancel the open operations first, or wait for them.")
            : Of(new VersionEvent.DeleteBegan(c.Operation));
    }

    private static Decision<VersionEvent>? Missing(Version version) => version.Exists && !version.IsDeleted ? null
        : Decision<VersionEvent>.Refuse("version.unknown", $"There is no version {version.Id}.", "List the image's versions to see which exist.");

    private static bool IsImporting(Version version, OperationId operation) =>
        version.Import == operation && StatusOf(version) == VersionStatus.Importing;

    private static Version Close(Version version, VersionEvent.PublishClosed e)
    {
        var closed = version with
        {
            OpenPublishes = [.. version.OpenPublishes.Where(o => o != e.Operation)],
            Unstarted = [.. version.Unstarted.Where(u => u.Operation != e.Operation)],
        };
        if (closed.OpenPublishes.Count > 0)
        {
            return closed; // an open publish may want the very pods that this one let go
        }

        // What was cancelled is a target no more; when nobody has the version after a cancel, neither is what failed. What was lost is one, and is repaired.
        var left = version.Targets.Where(t => t.Value is TargetOutcome.Available or TargetOutcome.Failed || version.Lost.Contains(t.Key))
            .ToDictionary(t => t.Key, t => version.Lost.Contains(t.Key) ? TargetOutcome.Failed : t.Value);
        if (e.WasCancelled && !left.ContainsValue(TargetOutcome.Available))
        {
            left = left.Where(t => version.Lost.Contains(t.Key)).ToDictionary(t => t.Key, t => t.Value);
        }

        var former = version.Former.Union(version.Targets.Keys).Where(p => !left.ContainsKey(p));
        return closed with { Targets = left, Former = [.. former.OrderBy(p => p.Value, StringComparer.Ordinal)], Lost = [.. version.Lost.Where(left.ContainsKey)] };
    }

    /// <summary>A target that was let go stays open until the last publish closes, as any other.</summary>
    private static Version WithoutTarget(Version version, PodName pod) => version.OpenPublishes.Count > 0 ? version : version with
    {
        Targets = version.Targets.Where(t => t.Key != pod).ToDictionary(t => t.Key, t => t.Value),
        Former = [.. version.Former.Append(pod).Distinct().OrderBy(p => p.Value, StringComparer.Ordinal)],
    };

    private static Version Deleting(Version version, OperationId operation)
    {
        var holders = version.Targets.Keys.Concat(version.Former).ToHashSet();
        if (version.SourcePod is { } source)
        {
            holders.Add(source);
        }

        return version with
        {
            Delete = operation, Generation = version.Generation.Next(),
            Removing = [.. holders.OrderBy(p => p.Value, StringComparer.Ordinal)],
        };
    }

    private static Version WithoutCopy(Version version, PodName pod)
    {
        List<PodName> left = [.. version.Removing.Where(p => p != pod)];
        return version with { Removing = left, IsDeleted = left.Count == 0 };
    }

    private static Dictionary<PodName, TargetOutcome> WithOpen(IReadOnlyDictionary<PodName, TargetOutcome> targets, IReadOnlyList<PodName> added)
    {
        var merged = new Dictionary<PodName, TargetOutcome>(targets);
        foreach (var pod in added)
        {
            // A pod that has it stays available while a second publish goes over it.
            if (!merged.TryGetValue(pod, out var known) || known != TargetOutcome.Available)
            {
                merged[pod] = TargetOutcome.Open;
            }
        }

        return merged;
    }

    private static Dictionary<PodName, TargetOutcome> Merge(Version version, IReadOnlyDictionary<PodName, TargetOutcome> outcomes)
    {
        var merged = new Dictionary<PodName, TargetOutcome>(version.Targets);
        foreach (var (pod, outcome) in outcomes)
        {
            if (version.Lost.Contains(pod) && !(outcome == TargetOutcome.Failed && merged.GetValueOrDefault(pod) == TargetOutcome.Open))
            {
                continue; // a publish may have heard of the copy before it was lost: that it is back, or let go, is told by the copy itself
            }

            // What one publish knows of a pod, or has let go there, does not take away the copy that another one made.
            // A pod that was let go stays open until the last publish closes: another one may want it.
            if (!merged.TryGetValue(pod, out var known) || (known != TargetOutcome.Available && outcome != TargetOutcome.Cancelled))
            {
                merged[pod] = outcome == TargetOutcome.Cancelled ? TargetOutcome.Open : outcome;
            }
        }

        return merged;
    }

    private static bool IsNews(Version version, PodName pod, long revision, Generation ordered) => version.Delete is null && ordered >= version.ImportGeneration
        && version.Targets.ContainsKey(pod) && revision > version.LostCopies.GetValueOrDefault(pod, -1);

    private static Version Heard(Version version, PodName pod, TargetOutcome outcome, long revision, bool isLost) => version with
    {
        Targets = new Dictionary<PodName, TargetOutcome>(version.Targets) { [pod] = outcome },
        Lost = [.. version.Lost.Where(p => p != pod), .. isLost ? [pod] : (PodName[])[]],
        LostCopies = new Dictionary<PodName, long>(version.LostCopies) { [pod] = revision },
    };

    private static Decision<VersionEvent> Of(VersionEvent happened) => Decision<VersionEvent>.Of(happened);

    private static Decision<VersionEvent> Nothing => Decision<VersionEvent>.Nothing;
}
