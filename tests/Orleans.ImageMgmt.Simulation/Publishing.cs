namespace Orleans.ImageMgmt.Simulation;

/// <summary>The publish grain in miniature.</summary>
internal sealed class PublishNode(World world, string key, OperationId operation) : Node<Publish>(world, key, PublishMachine.Initial(operation))
{
    /// <summary>After this long a call to the version counts as lost, as in the grain.</summary>
    private static readonly TimeSpan callLost = TimeSpan.FromSeconds(30);

    /// <summary>How each pod stands, as the shards said in this round; asked again when it is lost.</summary>
    private readonly Dictionary<int, (int Round, int Open, IReadOnlyDictionary<PodName, TargetOutcome> Outcomes)> heard = [];

    /// <summary>The grain's books: the end of one round and the retry that opens the next are never under way at the version together.</summary>
    private (int Call, DateTimeOffset Until)? books;
    private int calls;

    internal void Start(PublishOrder order)
    {
        Keep(new PublishCommand.Start(order));
        Send<VersionNode>(Keys.Version(order.Version), "publish started", v => v.Hear(new VersionCommand.PublishStarted(operation)));
        Drive();
    }

    /// <summary>The version does not know yet that it ended, so it is told again.</summary>
    internal void GoOn()
    {
        if (Noun.State.IsEnded())
        {
            TellVersion();
        }
        else
        {
            Drive();
        }
    }

    internal void Ask(PublishCommand command, Answer answer)
    {
        var decision = PublishMachine.Decide(Noun, command);
        Keep(decision);
        answer(decision.Refusal);
        Drive();
    }

    /// <summary>A retry opens the publish at its version first, then begins the round.</summary>
    internal void AskRetry(Answer answer)
    {
        var decision = PublishMachine.Decide(Noun, new PublishCommand.Retry());
        if (decision.IsRefused || Noun.Order is not { } order)
        {
            answer(decision.Refusal);
            return;
        }

        if (AskUnheard())
        {
            return; // whoever asks asks again
        }

        List<PodName> failed = [.. heard.Values.SelectMany(h => h.Outcomes).Where(o => o.Value == TargetOutcome.Failed).Select(o => o.Key)];
        if (failed.Count == 0)
        {
            answer(null);
        }
        else if (OpenBooks() is { } call)
        {
            Send<VersionNode>(Keys.Version(order.Version), "reopen", v => v.Reopen(operation, failed, order.Generation, call, answer));
        }
    }

    internal void RetryNow(int call, Answer answer)
    {
        if (CloseBooks(call))
        {
            Ask(new PublishCommand.Retry(), answer);
        }
    }

    internal void VersionTold(int call)
    {
        if (CloseBooks(call))
        {
            Keep(new PublishCommand.VersionTold());
        }
    }

    /// <summary>Asks the shards that have not said how they stand in this round, or of which only an old word is at hand. False: all have.</summary>
    private bool AskUnheard()
    {
        var unheard = Enumerable.Range(0, Noun.Shards.Count).Where(n => !heard.TryGetValue(n, out var h) || h.Round != Noun.Round || h.Open != Noun.Shards[n].Open).ToList();
        foreach (var shard in unheard)
        {
            Send<ShardNode>(Keys.Shard(operation, shard), "how do you stand", s => s.Tell());
            WakeIn(TimeSpan.FromSeconds(5));
        }

        return unheard.Count > 0;
    }

    /// <summary>The number of the call that may be made now; null: another one is under way.</summary>
    private int? OpenBooks()
    {
        if (books?.Until > World.Now)
        {
            return null;
        }

        books = (++calls, World.Now + callLost);
        return calls;
    }

    /// <summary>Whether this is the answer that is waited for; what was given up before is not heard.</summary>
    private bool CloseBooks(int call)
    {
        if (books?.Call != call)
        {
            return false;
        }

        books = null;
        return true;
    }

    internal void ShardChanged(int shard, TargetTotals totals, int round, IReadOnlyDictionary<PodName, TargetOutcome> outcomes)
    {
        if (Noun.Order is not { } order || round != Noun.Round)
        {
            return;
        }

        if (!heard.TryGetValue(shard, out var known) || known.Round != round || totals.Open <= known.Open)
        {
            heard[shard] = (round, totals.Open, outcomes); // an older word may overtake a newer one
        }

        if (Keep(new PublishCommand.ShardChanged(shard, totals, round)))
        {
            Send<VersionNode>(Keys.Version(order.Version), "targets changed", v => v.Hear(new VersionCommand.TargetsChanged(operation, outcomes)));
        }

        if (Noun.State.IsEnded())
        {
            Drive();
        }
    }

    internal override void Drive()
    {
        switch (PublishMachine.Next(Noun))
        {
            case PublishStep.DriveShards step:
                TellShards(step.Shards, "drive", (order, round, turn) => new ShardCommand.Drive(order, round, null, turn));
                break;
            case PublishStep.HoldShards step:
                TellShards(step.Shards, "hold", (order, round, turn) => new ShardCommand.Hold(order, round, null, turn));
                break;
            case PublishStep.CancelShards step:
                TellShards(step.Shards, "cancel", (order, round, _) => new ShardCommand.Cancel(order, round));
                break;
            case PublishStep.TellVersion:
                TellVersion();
                WakeIn(TimeSpan.FromSeconds(10));
                break;
            default:
                break;
        }
    }

    private void TellShards(IReadOnlyList<int> shards, string what, Func<PublishOrder, int, int, ShardCommand> say)
    {
        WakeIn(TimeSpan.FromSeconds(10));
        foreach (var shard in shards)
        {
            var command = say(PublishMachine.SliceOf(Noun.Order!, shard), Noun.Round, Noun.Turn);
            Send<ShardNode>(Keys.Shard(operation, shard), what, s => s.Ask(command));
        }
    }

    private void TellVersion()
    {
        if (!AskUnheard() && OpenBooks() is { } call)
        {
            var outcomes = heard.Values.SelectMany(h => h.Outcomes).ToDictionary(o => o.Key, o => o.Value);
            var command = new VersionCommand.PublishEnded(operation, Noun.State == OperationState.Cancelled, outcomes);
            Send<VersionNode>(Keys.Version(Noun.Order!.Version), "publish ended", v => v.PublishEnded(command, call));
        }
    }

    private bool Keep(PublishCommand command) => Keep(PublishMachine.Decide(Noun, command));

    private bool Keep(Decision<PublishEvent> decision) => Commit(decision, (p, e) => PublishMachine.Evolve(p, e, World.Now),
        p => $"{p.State} {p.Totals.Available}/{p.Totals.All} failed {p.Totals.Failed} round {p.Round}");
}

/// <summary>The shard grain in miniature.</summary>
internal sealed class ShardNode(World world, string key, int index) : Node<Shard>(world, key, ShardMachine.Initial(index))
{
    private readonly HashSet<PodName> asked = [];

    internal void Ask(ShardCommand command)
    {
        Keep(ShardMachine.Decide(Noun, command));
        Tell();
        Drive();
    }

    internal void Hear(ShardCommand command)
    {
        if (Noun.Order is null)
        {
            return;
        }

        if (Keep(ShardMachine.Decide(Noun, command)))
        {
            Tell();
            if (World.Planted(Plant.OneAfterTheOther))
            {
                Drive();
            }
        }
    }

    internal void Tell()
    {
        if (Noun.Order is not { } order)
        {
            return;
        }

        var (totals, round, outcomes) = (Noun.Totals, Noun.Round, Noun.Targets.ToDictionary(t => t.Pod, t => t.Outcome));
        Send<PublishNode>(Keys.Publish(order.Operation), "shard changed", p => p.ShardChanged(index, totals, round, outcomes));
    }

    internal override void Drive()
    {
        switch (ShardMachine.Next(Noun))
        {
            case ShardStep.EnsureAt step:
                Ensure(World.Planted(Plant.OneAfterTheOther) ? [.. step.Targets.Take(1)] : step.Targets);
                WakeIn(TimeSpan.FromSeconds(10));
                break;
            case ShardStep.CancelAt step:
                foreach (var pod in step.Pods)
                {
                    var (version, operation, turn) = (Noun.Order!.Version, Noun.Order.Operation, Noun.Turn);
                    Send<PodNode>(Keys.Pod(pod), "cancel", p => p.Cancel(version, operation, turn, null, Key));
                }

                WakeIn(TimeSpan.FromSeconds(10));
                break;
            case ShardStep.HoldAt step:
                foreach (var pod in step.Pods)
                {
                    var (version, operation, turn) = (Noun.Order!.Version, Noun.Order.Operation, Noun.Turn);
                    Send<PodNode>(Keys.Pod(pod), "hold", p => p.Hold(version, operation, turn, Key));
                }

                WakeIn(TimeSpan.FromSeconds(10));
                break;
            default:
                break;
        }
    }

    private void Ensure(IReadOnlyList<ShardTarget> targets)
    {
        var (order, turn) = (Noun.Order!, Noun.Turn);
        foreach (var target in targets)
        {
            if (!asked.Add(target.Pod) && World.Planted(Plant.AskOnce))
            {
                continue;
            }

            Send<PodNode>(Keys.Pod(target.Pod), "ensure", p => p.Ensure(order, target.IsRetryAsked ? target.Attempt : null, turn, Key));
        }
    }

    private bool Keep(Decision<ShardEvent> decision) => Commit(decision, ShardMachine.Evolve,
        s => $"{s.Totals.Available}/{s.Totals.All} failed {s.Totals.Failed} cancelled {s.Totals.Cancelled} round {s.Round}");
}
