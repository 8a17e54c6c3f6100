namespace Orleans.ImageMgmt.Simulation;

/// <summary>What has to hold after every step. What a step did not touch cannot have broken, so only touched things are looked at.</summary>
internal sealed class Invariants(World world)
{
    private readonly HashSet<string> touchedRecords = [];
    private readonly HashSet<PodName> touchedPods = [];
    private readonly HashSet<Node> touchedNodes = [];
    private readonly List<Func<bool>> acknowledged = [];
    private readonly List<string> acknowledgedNames = [];

    internal static void Require(bool holds, string invariant)
    {
        if (!holds)
        {
            throw new InvariantException(invariant);
        }
    }

    internal void Touch(PodName pod) => touchedPods.Add(pod);

    internal void Remember(Node node) => touchedNodes.Add(node);

    /// <summary>Somebody was told yes: from now on the operation is in the durable store.</summary>
    internal void Acknowledged(string name, Func<bool> isStored)
    {
        acknowledgedNames.Add(name);
        acknowledged.Add(isStored);
    }

    /// <summary>What a write may never do to a record.</summary>
    internal void BeforeWrite(object before, object after)
    {
        switch (before, after)
        {
            case (Copy b, Copy a):
                Require(a.Generation >= b.Generation, $"the generation of {a.Version} on {a.Pod} falls from {b.Generation} to {a.Generation}");
                Require(a.Attempt >= b.Attempt, $"the attempt of {a.Version} on {a.Pod} falls from {b.Attempt} to {a.Attempt}");
                touchedRecords.Add(Keys.Copy(a.Pod, a.Version));
                touchedPods.Add(a.Pod);
                break;
            case (Version b, Version a):
                Require(b.Content is not null || a.Content is null || a.Content.ContentDigest == Simulator.ContentOf(a.Source!).ContentDigest,
                    $"the import of {a.Id} from {a.Source?.Path} shows the content of another source");
                Require(a.Generation >= b.Generation, $"the generation of {a.Id} falls from {b.Generation} to {a.Generation}");
                Require(b.Delete is not null || a.Delete is not null || !b.Targets.Any(t => t.Value == TargetOutcome.Available)
                    || b.Targets.Where(t => t.Value == TargetOutcome.Available).All(t => a.Targets.GetValueOrDefault(t.Key) == TargetOutcome.Available
                        || a.LostCopies.GetValueOrDefault(t.Key, -1) > b.LostCopies.GetValueOrDefault(t.Key, -1)),
                    $"{a.Id} forgets a pod that holds it");
                break;
            case (Publish b, Publish a):
                Require(!b.State.IsEnded() || a.State.IsEnded() || a.Round > b.Round, $"publish {a.Operation} ended and goes on without a retry");
                Require(a.Totals.Open >= 0 && (a.Order is null || a.Totals.All == a.Order.Targets.Count), $"the totals of publish {a.Operation} do not add up");
                break;
            default:
                break;
        }
    }

    internal void AfterStep()
    {
        foreach (var key in touchedRecords)
        {
            CheckCopy(world.Store.Read<Copy>(key)!);
        }

        foreach (var pod in touchedPods)
        {
            CheckSlots(pod);
        }

        foreach (var node in touchedNodes.Where(n => n.Silo.Nodes.GetValueOrDefault(n.Key) == n))
        {
            Require(node.MatchesStore(), $"{node.Key} believes what is not stored");
        }

        touchedRecords.Clear();
        touchedPods.Clear();
        touchedNodes.Clear();
        for (var n = 0; n < acknowledged.Count; n++)
        {
            Require(acknowledged[n](), $"{acknowledgedNames[n]} was acknowledged and is not in the store");
        }
    }

    private void CheckCopy(Copy copy)
    {
        if (copy.State != CopyState.Available)
        {
            return;
        }

        Require(copy.Receipt is not null && copy.Content is not null && copy.Receipt.ContentDigest == copy.Content.ContentDigest
            && copy.Receipt.Pod == copy.Pod && copy.Receipt.Version == copy.Version, $"{copy.Version} on {copy.Pod} is available without a receipt that proves it");
        var connector = world.Connectors[copy.Pod.Value];
        var isSilent = connector.DamagedAt.TryGetValue(copy.Version, out var damagedAt) && copy.Receipt!.VerifiedAt <= damagedAt; // nobody has looked since
        Require(connector.Finals.TryGetValue(copy.Version, out var chunks)
            && (isSilent || Bytes.DigestOf(chunks) == copy.Content!.ContentDigest), $"{copy.Version} on {copy.Pod} is available and its bytes are not those of the version");
    }

    private void CheckSlots(PodName pod)
    {
        if (world.Store.Read<Pod>(Keys.Pod(pod))?.Spec is { } spec)
        {
            var held = world.Connectors[pod.Value].SlotsHeld;
            Require(held <= spec.Slots, $"pod {pod} runs {held} transfers and has {spec.Slots} slots");
        }
    }
}
