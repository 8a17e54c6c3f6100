namespace Orleans.ImageMgmt.Simulation;

/// <summary>The pod grain in miniature: its own noun, and a record for each copy.</summary>
internal sealed class PodNode(World world, string key, PodName name) : Node(world, key)
{
    /// <summary>A worker's answer that has not come after this long will not come: its call is made again.</summary>
    private static readonly TimeSpan answerLost = TimeSpan.FromSeconds(15);

    private readonly SortedDictionary<string, Copy> copies = LoadCopies(world, name);
    private readonly Dictionary<OperationId, string> askers = [];
    private readonly Dictionary<VersionId, Job> jobs = [];
    private Pod pod = world.Store.Read<Pod>(key) ?? PodMachine.Initial(name);
    private bool isProbing;

    private Connector Connector => World.Connectors[name.Value];

    internal override bool MatchesStore() =>
        (World.Store.Read<Pod>(Key) is not { } stored || ReferenceEquals(stored, pod))
        && copies.All(c => ReferenceEquals(World.Store.Read<Copy>(Keys.Copy(name, c.Value.Version)), c.Value));

    internal void Ask(PodCommand command, Answer answer)
    {
        var decision = PodMachine.Decide(pod, command is PodCommand.Disconnect
            ? new PodCommand.Disconnect(copies.Values.Count(c => c.IsMoving && c.State != CopyState.Deleting)) : command);
        Keep(decision);
        answer(decision.Refusal);
        Drive();
    }

    internal void Ensure(PublishOrder order, int? retriedAttempt, int turn, string asker)
    {
        var copy = Of(order.Version);
        if (pod.State is PodState.Draining or PodState.Disconnected && !copy.WantedBy.Contains(order.Operation) && copy.State != CopyState.Available)
        {
            var fault = new ConnectorFault(FaultStage.Receive, FaultCause.Denied, $"Pod {name} is {pod.State}.", "Connect it, then retry.");
            Send<ShardNode>(asker, "refused", s => s.Hear(new ShardCommand.Refused(name, fault)));
            return;
        }

        askers[order.Operation] = asker;
        var decision = Decide(order.Version, new CopyCommand.Ensure(order.Generation, order.Operation, order.Content, order.From, turn, IsRetry: retriedAttempt is not null));
        if (decision.Refusal is { } refusal)
        {
            if (!CopyMachine.MayPass(refusal))
            {
                var fault = new ConnectorFault(FaultStage.Receive, FaultCause.Stale, refusal.Message, refusal.Hint);
                Send<ShardNode>(asker, "refused", s => s.Hear(new ShardCommand.Refused(name, fault)));
            }

            return;
        }

        if (retriedAttempt is { } attempt)
        {
            Decide(order.Version, new CopyCommand.Retry(order.Operation, attempt));
        }

        Report(order.Version, order.Operation);
        Drive();
    }

    internal void EnsurePrepared(VersionId version, Generation generation, OperationId operation, SourceRef source, string asker)
    {
        askers[operation] = asker;
        if (!Decide(version, new CopyCommand.EnsurePrepared(generation, operation, source)).IsRefused && Of(version).Generation == generation)
        {
            Report(version, operation);
        }

        Drive();
    }

    internal void Cancel(VersionId version, OperationId operation, int? turn, Generation? generation, string asker)
    {
        askers[operation] = asker;
        Decide(version, new CopyCommand.Cancel(operation, turn, generation));
        Report(version, operation);
        Drive();
    }

    internal void Hold(VersionId version, OperationId operation, int turn, string asker)
    {
        askers[operation] = asker;
        Decide(version, new CopyCommand.Hold(operation, turn));
        Report(version, operation);
        Drive();
    }

    internal void Delete(VersionId version, Generation generation, string asker)
    {
        Decide(version, new CopyCommand.Delete(generation));
        if (Of(version).State == CopyState.Deleted)
        {
            Send<VersionNode>(asker, "copy removed", v => v.Hear(new VersionCommand.CopyRemoved(name)));
        }

        Drive();
    }

    /// <summary>A worker's answer; it may be late, and it may come twice.</summary>
    internal void Heard(VersionId version, CopyCommand command)
    {
        if (World.Planted(Plant.OverlookDamage) && command is CopyCommand.Faulted { Fault.Cause: FaultCause.TargetCorrupt } && Of(version) is { State: CopyState.Available, Check.IsOpen: true } overlooked)
        {
            Keep(version, Decision<CopyEvent>.Of(new CopyEvent.ReadBackWhole(overlooked.Receipt! with { VerifiedAt = World.Now })));
        }
        else if (World.Planted(Plant.AvailableWithoutProof) && command is CopyCommand.Finalised finalised && Of(version).State == CopyState.Finalising)
        {
            Keep(version, Decision<CopyEvent>.Of(new CopyEvent.BecameAvailable(finalised.Receipt, Of(version).Content!)));
        }
        else
        {
            Decide(version, command);
        }

        Drive();
    }

    internal void Probed(ConnectorFault? fault)
    {
        isProbing = false;
        Keep(PodMachine.Decide(pod, fault is null ? new PodCommand.Probed() : new PodCommand.ProbeFailed(fault)));
        Drive();
    }

    internal override void Drive()
    {
        Probe();
        if (pod.State == PodState.Disconnected)
        {
            return;
        }

        foreach (var copy in copies.Values.Where(c => CopyMachine.Next(c, World.Now, World.Retries) is CopyStep.GiveUp).ToList())
        {
            Decide(copy.Version, new CopyCommand.GiveUp());
        }

        Scrub();
        var moving = copies.Values.Where(c => c.IsHot).ToList();
        var admitted = World.Planted(Plant.IgnoreSlots) && pod.Works
            ? [.. moving.Where(c => CopyMachine.Next(c, World.Now, World.Retries) is CopyStep.AwaitSlot).Select(c => c.Version)]
            : PodMachine.Admit(pod, moving, World.Now, World.Retries);
        foreach (var version in admitted)
        {
            Decide(version, new CopyCommand.Start());
        }

        foreach (var copy in copies.Values.Where(c => c.IsHot).ToList())
        {
            Work(copy);
        }
    }

    /// <summary>Begins the read-back that is due the longest, one at a time and none while copies are made.</summary>
    private void Scrub()
    {
        if (pod.State != PodState.Connected || copies.Values.Any(c => c.HoldsSlot || c is { State: CopyState.Available, Check.IsOpen: true }))
        {
            return;
        }

        if (copies.Values.Where(c => c is { State: CopyState.Available, Receipt: not null }).MinBy(c => c.Receipt!.VerifiedAt) is not { } first)
        {
            return;
        }

        if (World.Scrubs.DueAt(first.Receipt!) is var due && due > World.Now)
        {
            WakeIn(due - World.Now);
        }
        else
        {
            Decide(first.Version, new CopyCommand.Verify(null));
        }
    }

    /// <summary>Somebody got wrong bytes from here, or a person asks.</summary>
    internal void Verify(VersionId version, OperationId? operation)
    {
        Decide(version, new CopyCommand.Verify(operation));
        Drive();
    }

    private static SortedDictionary<string, Copy> LoadCopies(World world, PodName name)
    {
        var prefix = $"copy/{name}/";
        return new SortedDictionary<string, Copy>(world.Store.All.Where(r => r.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(r => r.Key, r => (Copy)r.Value), StringComparer.Ordinal);
    }

    private void Probe()
    {
        switch (PodMachine.Next(pod, World.Now, World.Probes))
        {
            case PodStep.Wait step:
                WakeIn(step.Until - World.Now);
                break;
            case PodStep.Probe when !isProbing:
                isProbing = true;
                World.After(TimeSpan.FromMilliseconds(50), Key, Silo, () => Probed(Connector.Probe()));
                break;
            default:
                break;
        }
    }

    private void Work(Copy copy)
    {
        var step = CopyMachine.Next(copy, World.Now, World.Retries);
        if (step is CopyStep.Wait wait)
        {
            WakeIn(wait.Until - World.Now);
            return;
        }

        WakeIn(TimeSpan.FromSeconds(20));
        if (step is CopyStep.AwaitSlot or CopyStep.Rest or CopyStep.GiveUp)
        {
            return;
        }

        if (step is CopyStep.Tell)
        {
            var (state, revision, ordered) = (copy.State, copy.Revision, copy.Generation);
            Send<VersionNode>(Keys.Version(copy.Version), "copy stands " + state, v => v.CopyStands(name, state, revision, ordered, Key));
            return;
        }

        if (jobs.TryGetValue(copy.Version, out var running))
        {
            if (running.Serves(copy, step) && (!running.IsOver || World.Now - running.AnsweredAt < answerLost))
            {
                return;
            }

            running.Stop();
        }

        jobs[copy.Version] = Connector.Begin(this, copy, step);
    }

    private Copy Of(VersionId version) => copies.GetValueOrDefault(Keys.Copy(name, version)) ?? CopyMachine.Initial(version, name);

    private Decision<CopyEvent> Decide(VersionId version, CopyCommand command)
    {
        var decision = CopyMachine.Decide(Of(version), command, World.Now, World.Retries);
        Keep(version, decision);
        return decision;
    }

    private void Keep(VersionId version, Decision<CopyEvent> decision)
    {
        if (decision.Events.Count == 0)
        {
            return;
        }

        var before = Of(version);
        var after = decision.Events.Aggregate(before, (c, e) => CopyMachine.Evolve(c, e, World.Now));
        if (World.Planted(Plant.LowerGeneration) && decision.Events[0] is CopyEvent.Joined)
        {
            after = after with { Generation = new Generation(before.Generation.Value - 1) };
        }

        var recordKey = Keys.Copy(name, version);
        Write(recordKey, before, after, noun => copies[recordKey] = (Copy)noun,
            $"{decision.Events[0].GetType().Name} -> {after.State} g{after.Generation} try {after.Tries} {after.Fault?.Code}".TrimEnd());
        if (jobs.TryGetValue(version, out var job) && !job.Serves(after, CopyMachine.Next(after, World.Now, World.Retries)))
        {
            job.Stop(); // a worker never outlives the step that it serves: its slot is free from here on
        }

        foreach (var operation in before.WantedBy.Union(after.WantedBy))
        {
            Report(version, operation);
        }
    }

    private void Keep(Decision<PodEvent> decision)
    {
        if (decision.Events.Count > 0)
        {
            var after = decision.Events.Aggregate(pod, (p, e) => PodMachine.Evolve(p, e, World.Now, World.Probes));
            Write(Key, pod, after, noun => pod = (Pod)noun, $"{decision.Events[0].GetType().Name} -> {after.State}");
        }
    }

    /// <summary>Tells who asked how the copy stands, as far as it is known here who that was: they ask again.</summary>
    private void Report(VersionId version, OperationId operation)
    {
        if (!askers.TryGetValue(operation, out var asker))
        {
            return;
        }

        var copy = Of(version);
        var state = CopyMachine.StateFor(copy, operation);
        if (asker.StartsWith("version/", StringComparison.Ordinal))
        {
            Send<VersionNode>(asker, "source " + state, v => v.SourceReported(operation, state, copy.Fault, copy.Content, copy.Receipt));
        }
        else
        {
            Send<ShardNode>(asker, "copy " + state, s => s.Hear(new ShardCommand.Reported(name, state, copy.Fault, copy.Tries, copy.Attempt)));
        }
    }
}
