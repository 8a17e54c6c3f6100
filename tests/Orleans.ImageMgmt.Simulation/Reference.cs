namespace Orleans.ImageMgmt.Simulation;

/// <summary>A second, straightforward answer to "how should things stand", from what is really on the pods; asked when all is quiet.</summary>
internal static class Reference
{
    internal static bool IsQuiet(World world) =>
        world.Store.Of<Copy>().All(c => !c.IsMoving && c.State != CopyState.Quarantined)
        && world.Connectors.Values.All(c => c.DamagedAt.Keys.All(v => !IsLookedAt(world, c.Pod, v)))
        && world.Store.Of<Publish>().All(p => p.Order is null || (p.State.IsEnded() && p.IsTold))
        && world.Store.Of<Version>().All(v => v.OpenPublishes.Count == 0 && v.Status is not (VersionStatus.Importing or VersionStatus.Deleting))
        && world.Store.Of<Image>().All(i => i.Versions.All(v => v.IsBegun && world.Store.Read<Version>(Keys.Version(new VersionId(i.Name, v.Name)))!.Status == v.Status));

    /// <summary>Nobody looks at what a publish that gave up left for its retry.</summary>
    private static bool IsLookedAt(World world, PodName pod, VersionId version) => world.Store.Read<Copy>(Keys.Copy(pod, version))?.State != CopyState.Failed;

    /// <summary>What keeps the world from being quiet, for the sentence of a violation.</summary>
    internal static string Unquiet(World world)
    {
        var waits = world.Store.Of<Copy>().Where(c => c.IsMoving || c.State == CopyState.Quarantined).Select(c => $"{c.Version} on {c.Pod} {c.State} {c.Fault?.Code}")
            .Concat(world.Connectors.SelectMany(c => c.Value.DamagedAt.Keys.Where(v => IsLookedAt(world, c.Value.Pod, v)).Select(v => $"{v} on {c.Key} is damaged")))
            .Concat(world.Store.Of<Publish>().Where(p => p.Order is not null && !(p.State.IsEnded() && p.IsTold)).Select(p => $"publish {p.Operation} {p.State}"))
            .Concat(world.Store.Of<Version>().Where(v => v.OpenPublishes.Count > 0 || v.Status is VersionStatus.Importing or VersionStatus.Deleting).Select(v => $"{v.Id} {v.Status}"))
            .Concat(world.Store.Of<Image>().SelectMany(i => i.Versions.Select(v => (Known: v, Real: world.Store.Read<Version>(Keys.Version(new VersionId(i.Name, v.Name))))))
                .Where(p => p.Real?.Status != p.Known.Status).Select(p => $"image knows {p.Known.Name} as {p.Known.Status}, it is {p.Real?.Status}"));
        return string.Join("; ", waits.Take(6));
    }

    internal static void Check(World world)
    {
        foreach (var version in world.Store.Of<Version>())
        {
            var expected = StatusOf(world, version);
            var isExpected = version.Status == expected || (version.Status == VersionStatus.PartiallyAvailable && expected == VersionStatus.Available && HasFailedInCancelled(world, version));
            var missing = version.Targets.Where(t => t.Value != TargetOutcome.Available).Select(t => $"{t.Key} {t.Value}");
            Invariants.Require(isExpected, $"{version.Id} shows {version.Status} ({string.Join(", ", missing)}); what is on the pods says {expected}");
        }

        foreach (var image in world.Store.Of<Image>())
        {
            Invariants.Require(image.Versions.All(v => v.IsUsable == world.Store.Read<Version>(Keys.Version(new VersionId(image.Name, v.Name)))!.IsUsable),
                $"image {image.Name} does not know what can be used");
        }

        foreach (var publish in world.Store.Of<Publish>().Where(p => p.Order is not null))
        {
            var version = world.Store.Read<Version>(Keys.Version(publish.Order!.Version))!;
            Invariants.Require(publish.State is OperationState.Succeeded or OperationState.Cancelled || version.Delete is not null || publish.Order.Generation < version.ImportGeneration,
                $"publish {publish.Operation} is {publish.State} after the faults stopped and it was retried");
        }

        foreach (var (name, connector) in world.Connectors)
        {
            CheckLeftovers(world, new PodName(name), connector);
        }
    }

    private static VersionStatus StatusOf(World world, Version version)
    {
        if (version.Delete is not null)
        {
            return VersionStatus.Deleted;
        }

        if (version.SourceReceipt is null)
        {
            return VersionStatus.Failed;
        }

        if (version.IsDisabled)
        {
            return VersionStatus.Disabled;
        }

        // Every publish that was not cancelled succeeded (that is checked too), so its targets hold the version; a cancelled
        // one left behind what was available already. So whoever holds a target copy is a target, and nobody else is.
        var copies = world.Store.Of<Copy>().Where(c => c.Version == version.Id && c.Role == CopyRole.Target).ToList();
        return copies.Exists(c => c.State == CopyState.Available) ? VersionStatus.Available : VersionStatus.DeploymentComplete;
    }

    /// <summary>What failed in a publish before it was cancelled stays a target without a copy, until a later publish covers it.</summary>
    private static bool HasFailedInCancelled(World world, Version version) => world.Store.Of<Shard>()
        .Where(s => s.IsCancelling && s.Order!.Version == version.Id && s.Order.Generation >= version.ImportGeneration)
        .SelectMany(s => s.Targets).Any(t => t.Outcome == TargetOutcome.Failed
            && world.Store.Read<Copy>(Keys.Copy(t.Pod, version.Id))?.State != CopyState.Available);

    private static void CheckLeftovers(World world, PodName pod, Connector connector)
    {
        foreach (var version in connector.Staged.Keys)
        {
            var state = world.Store.Read<Copy>(Keys.Copy(pod, version))?.State;
            var isForgotten = world.Store.Read<Version>(Keys.Version(version)) is { IsDeleted: true };
            Invariants.Require(state == CopyState.Failed && !isForgotten, $"staged bytes of {version} are left on {pod}; the copy is {state}");
        }

        foreach (var version in connector.Finals.Keys)
        {
            // A publish that gave up with the answer of its last call lost keeps what that call made for its retry, as it keeps what is staged.
            var copy = world.Store.Read<Copy>(Keys.Copy(pod, version));
            var isForgotten = world.Store.Read<Version>(Keys.Version(version)) is { IsDeleted: true };
            Invariants.Require(copy?.State == CopyState.Available || (copy is { State: CopyState.Failed, Role: CopyRole.Target } && !isForgotten),
                $"a final copy of {version} is left on {pod}; its record says {copy?.State}");
        }
    }
}
