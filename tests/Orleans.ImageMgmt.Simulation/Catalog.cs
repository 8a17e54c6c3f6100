namespace Orleans.ImageMgmt.Simulation;

/// <summary>Where each grain is found.</summary>
internal static class Keys
{
    internal static string Image(ImageName name) => $"image/{name}";

    internal static string Version(VersionId id) => $"version/{id}";

    internal static string Publish(OperationId operation) => $"publish/{operation}";

    internal static string Shard(OperationId operation, int index) => $"shard/{operation}/{index}";

    internal static string Pod(PodName pod) => $"pod/{pod}";

    internal static string Copy(PodName pod, VersionId version) => $"copy/{pod}/{version}";

    internal static VersionId VersionOf(string key)
    {
        var parts = key.Split('/');
        return new VersionId(new ImageName(parts[^2]), new VersionName(parts[^1]));
    }

    /// <summary>The grain behind a key.</summary>
    internal static Node Make(World world, string key)
    {
        var parts = key.Split('/');
        return parts[0] switch
        {
            "image" => new ImageNode(world, key, new ImageName(parts[1])),
            "version" => new VersionNode(world, key, VersionOf(key)),
            "publish" => new PublishNode(world, key, new OperationId(parts[1])),
            "shard" => new ShardNode(world, key, int.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture)),
            "pod" => new PodNode(world, key, new PodName(parts[1])),
            _ => throw new NotSupportedException(key),
        };
    }
}

/// <summary>What a client hears: an acknowledgement, or a refusal.</summary>
internal delegate void Answer(Refusal? refusal);

/// <summary>The image grain in miniature.</summary>
internal sealed class ImageNode(World world, string key, ImageName name) : Node<Image>(world, key, ImageMachine.Initial(name))
{
    internal void Ask(ImageCommand command, Answer answer)
    {
        var decision = ImageMachine.Decide(Noun, command);
        Keep(decision);
        answer(decision.Refusal);
        Drive();
    }

    internal void Hear(ImageCommand command)
    {
        Keep(ImageMachine.Decide(Noun, command));
        Drive();
    }

    internal void VersionChanged(VersionName version, OperationId import, VersionStatus status, bool isUsable, long revision)
    {
        Keep(ImageMachine.Decide(Noun, new ImageCommand.VersionChanged(version, status, isUsable, revision, import)));
        Send<VersionNode>(Keys.Version(new VersionId(Noun.Name, version)), "image heard", v => v.ImageHeard(revision));
    }

    internal override void Drive()
    {
        if (ImageMachine.Next(Noun) is not ImageStep.BeginVersions step)
        {
            return;
        }

        WakeIn(TimeSpan.FromSeconds(5));
        foreach (var entry in step.Entries)
        {
            var family = Noun.Family;
            Send<VersionNode>(Keys.Version(new VersionId(Noun.Name, entry.Name)), "begin import", v => v.BeginImport(entry, family));
        }
    }

    private void Keep(Decision<ImageEvent> decision) => Commit(decision, (i, e) => ImageMachine.Evolve(i, e, World.Now), i => i.Status.ToString());
}

/// <summary>The version grain in miniature.</summary>
internal sealed class VersionNode(World world, string key, VersionId id) : Node<Version>(world, key, VersionMachine.Initial(id))
{
    private long imageHeard = -1;
    private bool hasTold;

    internal void BeginImport(VersionEntry entry, string family)
    {
        var decision = VersionMachine.Decide(Noun, new VersionCommand.BeginImport(entry.Import, family, entry.Pod, entry.Source, entry.From, entry.Description));
        Keep(decision);
        var (status, isUsable) = (Noun.Status, Noun.IsUsable);
        Send<ImageNode>(Keys.Image(id.Image), "import begun", decision.IsRefused
            ? i => i.Hear(new ImageCommand.VersionRefused(entry.Name, entry.Import, status, isUsable))
            : i => i.Hear(new ImageCommand.VersionBegun(entry.Name, entry.Import)));
        Drive();
    }

    internal void Ask(VersionCommand command, Answer answer)
    {
        var decision = VersionMachine.Decide(Noun, command);
        Keep(decision);
        answer(decision.Refusal);
        Drive();
    }

    /// <summary>The same request again finds its publish, open or ended, and begins nothing.</summary>
    internal void AskPublish(VersionCommand.BeginPublish command, Answer answer)
    {
        if (World.Store.Read<Publish>(Keys.Publish(command.Operation)) is not null)
        {
            answer(null);
            return;
        }

        if (World.Planted(Plant.AcknowledgeBeforeStore))
        {
            answer(VersionMachine.Decide(Noun, command).Refusal);
        }

        Ask(command, answer);
    }

    internal void Hear(VersionCommand command)
    {
        Keep(VersionMachine.Decide(Noun, command));
        Drive();
    }

    /// <summary>A cancelled import is cancelled on its pod first: what the pod says then decides.</summary>
    internal void CancelImport(OperationId operation, Answer answer)
    {
        if (Noun.Import != operation || Noun.Status != VersionStatus.Importing)
        {
            answer(null);
            return;
        }

        var generation = Noun.Generation;
        Send<PodNode>(Keys.Pod(Noun.SourcePod!.Value), "cancel prepare", p => p.Cancel(id, operation, null, generation, Key));
    }

    internal void SourceReported(OperationId operation, CopyState state, ConnectorFault? fault, ContentDescription? content, Receipt? receipt)
    {
        Hear(state switch
        {
            CopyState.Available when content is not null && receipt is not null => new VersionCommand.Prepared(operation, content, receipt),
            CopyState.Failed => new VersionCommand.PrepareFailed(operation, fault!),
            CopyState.Deleting or CopyState.Deleted => new VersionCommand.CancelImport(operation),
            _ => new VersionCommand.PublishStarted(default), // still at work
        });
    }

    /// <summary>A loss or a repair is stored before the pod hears so.</summary>
    internal void CopyStands(PodName pod, CopyState state, long revision, Generation ordered, string asker)
    {
        Hear(state switch
        {
            CopyState.Quarantined => new VersionCommand.CopyLost(pod, revision, ordered),
            CopyState.Available => new VersionCommand.CopyRestored(pod, revision, ordered),
            _ => new VersionCommand.CopyLetGo(pod, revision, ordered),
        });

        Send<PodNode>(asker, "told", p => p.Heard(id, new CopyCommand.Told(revision)));
    }

    /// <summary>The end of a publish is stored before it hears so.</summary>
    internal void PublishEnded(VersionCommand.PublishEnded command, int call)
    {
        Hear(command);
        Send<PublishNode>(Keys.Publish(command.Operation), "version told", p => p.VersionTold(call));
    }

    internal void Reopen(OperationId operation, IReadOnlyList<PodName> targets, Generation ordered, int call, Answer answer)
    {
        var decision = VersionMachine.Decide(Noun, new VersionCommand.BeginPublish(operation, targets, ordered));
        Keep(decision);
        if (decision.IsRefused)
        {
            answer(decision.Refusal);
            return;
        }

        Send<PublishNode>(Keys.Publish(operation), "retry now", p => p.RetryNow(call, answer));
        Drive();
    }

    internal void ImageHeard(long revision) => imageHeard = Math.Max(imageHeard, revision);

    internal override void Drive()
    {
        TellImage();
        switch (VersionMachine.Next(Noun))
        {
            case VersionStep.Prepare step when Noun.Import is { } import:
                var generation = Noun.Generation;
                Send<PodNode>(Keys.Pod(step.Pod), "prepare", p => p.EnsurePrepared(id, generation, import, step.Source, Key));
                WakeIn(TimeSpan.FromSeconds(5));
                break;
            case VersionStep.DrivePublishes step:
                DrivePublishes(step.Publishes);
                WakeIn(TimeSpan.FromSeconds(10));
                break;
            case VersionStep.RemoveCopies step:
                var deleted = Noun.Generation; // of now, not of when it arrives
                foreach (var pod in step.Pods)
                {
                    Send<PodNode>(Keys.Pod(pod), "delete", p => p.Delete(id, deleted, Key));
                }

                WakeIn(TimeSpan.FromSeconds(10));
                break;
            default:
                break;
        }
    }

    private void TellImage()
    {
        if (!Noun.Exists || imageHeard >= Noun.Revision || (hasTold && World.Planted(Plant.TellOnce)))
        {
            return;
        }

        hasTold = true;
        var (import, status, isUsable, revision) = (Noun.Import!.Value, Noun.Status, Noun.IsUsable, Noun.Revision);
        Send<ImageNode>(Keys.Image(id.Image), $"version changed {id.Version} {status} r{revision}", i => i.VersionChanged(id.Version, import, status, isUsable, revision));
        WakeIn(TimeSpan.FromSeconds(5));
    }

    private void DrivePublishes(IReadOnlyList<OperationId> publishes)
    {
        foreach (var operation in publishes)
        {
            if (Noun.Unstarted.FirstOrDefault(u => u.Operation == operation) is { } unstarted)
            {
                var order = new PublishOrder(operation, id, unstarted.Generation, Noun.Content!, Noun.SourcePod!.Value, unstarted.Targets, Client.By);
                Send<PublishNode>(Keys.Publish(operation), "start", p => p.Start(order));
            }
            else
            {
                Send<PublishNode>(Keys.Publish(operation), "go on", p => p.GoOn());
            }
        }
    }

    private void Keep(Decision<VersionEvent> decision) =>
        Commit(decision, (v, e) => VersionMachine.Evolve(v, e, World.Now), v => $"{v.Status} g{v.Generation} open {v.OpenPublishes.Count}");
}
