namespace Orleans.ImageMgmt.Simulation;

/// <summary>The people: they ask, repeat until they are answered, and change their minds.</summary>
internal sealed class Client(World world)
{
    internal static readonly RequestedBy By = new("anna", "simulation");

    private static readonly TimeSpan repeat = TimeSpan.FromSeconds(5);
    private static readonly PodName source = new("pod-00");
    private readonly HashSet<VersionId> disabled = [];
    private readonly List<VersionId> versions = [];
    private readonly Dictionary<VersionId, OperationId> imports = [];
    private readonly HashSet<OperationId> asked = [];
    private readonly Dictionary<OperationId, int> retries = [];
    private int operations;

    /// <summary>The plan of one run: everybody connects, three versions are imported, then a dozen things happen at random times.</summary>
    internal void Plan(int pods)
    {
        for (var n = 0; n < pods; n++)
        {
            Connect(new PodName($"pod-{n:00}"));
        }

        var image = new ImageName("win11");
        At(1, () => Import(new VersionId(image, VersionName.First), "golden-1.img"));
        At(20 + world.Chance.Next(120), () => Import(new VersionId(image, new VersionName("1.1")), "golden-2.img"));
        At(20 + world.Chance.Next(120), () => Import(new VersionId(image, new VersionName("1.2")), "golden-3.img"));
        Action[] wishes = [PublishAll, PublishAll, PublishSome, PublishSome, CancelOne, PauseOne, PauseOne, ResumeOne, ResumeOne, RetryOne, Toggle, DrainOne, DeleteOne, CancelImport, Reimport];
        var count = 6 + world.Chance.Next(12);
        for (var n = 0; n < count; n++)
        {
            var wish = wishes[world.Chance.Next(wishes.Length)];
            At(10 + world.Chance.Next((int)world.Options.FaultTime.TotalSeconds - 30), wish);
        }

        At(15, PublishAll);
        At(150, PublishAll);
        At(151, PublishAll);
    }

    /// <summary>The plain road: connect, import, publish to all ten seconds in.</summary>
    internal void ConnectAndPublish(int pods)
    {
        for (var n = 0; n < pods; n++)
        {
            Connect(new PodName($"pod-{n:00}"));
        }

        At(1, () => Import(new VersionId(new ImageName("win11"), VersionName.First), "golden-1.img"));
        At(10, () => Publish([.. Enumerable.Range(1, pods - 1).Select(n => new PodName($"pod-{n:00}"))]));
    }

    /// <summary>After the faults: everything is connected and enabled again, and what failed is retried, a bounded number of times.</summary>
    internal void TidyUp()
    {
        foreach (var pod in world.Store.Of<Pod>().Where(p => p.State is PodState.Draining or PodState.Disconnected).ToList())
        {
            Connect(pod.Name);
        }

        foreach (var version in world.Store.Of<Version>().Where(v => v.IsDisabled && v.Delete is null).ToList())
        {
            Enable(version.Id);
        }

        foreach (var copy in world.Store.Of<Copy>().Where(c => c is { State: CopyState.Quarantined, IsHot: false }).ToList())
        {
            var operation = NewOperation("verify");
            world.Send<PodNode>(null, Keys.Pod(copy.Pod), $"verify {copy.Version}", n => n.Verify(copy.Version, operation));
        }

        foreach (var publish in world.Store.Of<Publish>().Where(p => p.State == OperationState.Paused).ToList())
        {
            Resume(publish.Operation);
        }

        const int retryLimit = 5;
        foreach (var publish in world.Store.Of<Publish>().Where(p => p.State is OperationState.Failed or OperationState.PartiallySucceeded).ToList())
        {
            if (retries.GetValueOrDefault(publish.Operation) < retryLimit)
            {
                retries[publish.Operation] = retries.GetValueOrDefault(publish.Operation) + 1;
                Retry(publish.Operation);
            }
        }
    }

    private static PodSpec SpecOf(PodName pod) => new(pod, "filesystem", new Dictionary<string, string>(), new Dictionary<string, string>(), 1 + (pod.Value[^1] % 2));

    private void At(int seconds, Action wish) => world.After(TimeSpan.FromSeconds(seconds), "client", null, wish);

    /// <summary>Sends until answered; gives up asking when nothing has come back for a long time.</summary>
    private void Request<TNode>(string key, string what, Action<TNode, Answer> ask, Action acknowledged) where TNode : Node
    {
        const int repeats = 60;
        var isAnswered = false;
        var left = repeats;
        Go();

        void Go()
        {
            if (isAnswered || left-- == 0)
            {
                return;
            }

            world.Send<TNode>(null, key, what, n => ask(n, Answered));
            world.After(repeat, "client", null, Go);
        }

        void Answered(Refusal? refusal)
        {
            if (!isAnswered)
            {
                isAnswered = true;
                world.Say("client", $"{what}: {refusal?.Code ?? "ok"}");
                if (refusal is null)
                {
                    acknowledged();
                }
            }
        }
    }

    private void Connect(PodName pod) =>
        Request<PodNode>(Keys.Pod(pod), $"connect {pod}", (n, a) => n.Ask(new PodCommand.Connect(SpecOf(pod)), a), () => { });

    private void Import(VersionId version, string path)
    {
        var operation = NewOperation("import");
        var command = new ImageCommand.Import(operation, version.Version, null, "filesystem", source, new SourceRef(path), "", By);
        asked.Add(operation);
        Request<ImageNode>(Keys.Image(version.Image), $"import {version}", (n, a) => n.Ask(command, a), () =>
        {
            versions.Remove(version);
            versions.Add(version);
            imports[version] = operation;
            world.Invariants.Acknowledged($"import {operation}", () => imports[version] != operation
                || world.Store.Read<Image>(Keys.Image(version.Image))!.Versions.Any(v => v.Name == version.Version && asked.Contains(v.Import))); // one that failed may be followed by another, whose word may come late
        });
    }

    private void PublishAll() => Publish([.. world.Store.Of<Pod>().Where(p => p.State == PodState.Connected && p.Name != source)
        .Select(p => p.Name).OrderBy(p => p.Value, StringComparer.Ordinal)]);

    private void PublishSome() => Publish([.. world.Store.Of<Pod>().Where(p => p.Spec is not null && p.Name != source)
        .Select(p => p.Name).OrderBy(p => p.Value, StringComparer.Ordinal).Where(_ => world.Chance.Next(3) == 0)]);

    private void Publish(IReadOnlyList<PodName> targets)
    {
        if (Any(versions) is not { } version)
        {
            return;
        }

        var operation = NewOperation("publish");
        Request<VersionNode>(Keys.Version(version), $"publish {version} to {targets.Count} as {operation}",
            (n, a) => n.AskPublish(new VersionCommand.BeginPublish(operation, targets), a), () =>
            world.Invariants.Acknowledged(operation.ToString(), () => world.Store.Read<Publish>(Keys.Publish(operation)) is not null
                || world.Store.Read<Version>(Keys.Version(version))?.Unstarted.Any(u => u.Operation == operation) == true));
    }

    private void CancelOne()
    {
        if (Any([.. world.Store.Of<Publish>().Where(p => !p.State.IsEnded()).Select(p => p.Operation)]) is { } operation)
        {
            Request<PublishNode>(Keys.Publish(operation), $"cancel {operation}", (n, a) => n.Ask(new PublishCommand.Cancel(), a), () =>
                world.Invariants.Acknowledged($"cancel {operation}", () => world.Store.Read<Publish>(Keys.Publish(operation)) is { } p && (p.IsCancelling || p.State.IsEnded() || p.Round > 0)));
        }
    }

    private void PauseOne()
    {
        if (Any([.. world.Store.Of<Publish>().Where(p => p is { State: OperationState.Running, IsCancelling: false }).Select(p => p.Operation)]) is { } operation)
        {
            Request<PublishNode>(Keys.Publish(operation), $"pause {operation}", (n, a) => n.Ask(new PublishCommand.Pause(), a), () => { });
        }
    }

    private void ResumeOne()
    {
        if (Any([.. world.Store.Of<Publish>().Where(p => p.State == OperationState.Paused).Select(p => p.Operation)]) is { } operation)
        {
            Resume(operation);
        }
    }

    private void Resume(OperationId operation) =>
        Request<PublishNode>(Keys.Publish(operation), $"resume {operation}", (n, a) => n.Ask(new PublishCommand.Resume(), a), () => { });

    private void RetryOne()
    {
        if (Any([.. world.Store.Of<Publish>().Where(p => p.State is OperationState.Failed or OperationState.PartiallySucceeded).Select(p => p.Operation)]) is { } operation)
        {
            Retry(operation);
        }
    }

    private void Retry(OperationId operation) => Request<PublishNode>(Keys.Publish(operation), $"retry {operation}", (n, a) => n.AskRetry(a), () => { });

    private void Toggle()
    {
        if (Any(versions) is not { } version)
        {
            return;
        }

        if (disabled.Contains(version))
        {
            Enable(version);
            return;
        }

        Request<VersionNode>(Keys.Version(version), $"disable {version}", (n, a) => n.Ask(new VersionCommand.Disable(), a), () => disabled.Add(version));
    }

    private void Enable(VersionId version) =>
        Request<VersionNode>(Keys.Version(version), $"enable {version}", (n, a) => n.Ask(new VersionCommand.Enable(), a), () => disabled.Remove(version));

    private void DrainOne()
    {
        if (Any([.. world.Store.Of<Pod>().Where(p => p.State == PodState.Connected && p.Name != source).Select(p => p.Name)]) is { } pod)
        {
            Request<PodNode>(Keys.Pod(pod), $"drain {pod}", (n, a) => n.Ask(new PodCommand.Drain(), a), () => { });
            At(60, () => Request<PodNode>(Keys.Pod(pod), $"disconnect {pod}", (n, a) => n.Ask(new PodCommand.Disconnect(0), a), () => { }));
        }
    }

    private void DeleteOne()
    {
        if (Any(versions) is { } version)
        {
            var operation = NewOperation("delete");
            Request<VersionNode>(Keys.Version(version), $"delete {version}", (n, a) => n.Ask(new VersionCommand.BeginDelete(operation), a), () => disabled.Remove(version));
        }
    }

    private void CancelImport()
    {
        if (Any([.. world.Store.Of<Version>().Where(v => v.Status == VersionStatus.Importing).Select(v => v.Id)]) is { } version && imports.TryGetValue(version, out var operation))
        {
            Request<VersionNode>(Keys.Version(version), $"cancel import {version}", (n, a) => n.CancelImport(operation, a), () => { });
        }
    }

    private void Reimport()
    {
        if (Any([.. world.Store.Of<Version>().Where(v => v.Status is VersionStatus.Failed or VersionStatus.Deleted).Select(v => v.Id)]) is { } version)
        {
            Import(version, "golden-3.img");
        }
    }

    private OperationId NewOperation(string kind) => new($"{kind}-{++operations}");

    private T? Any<T>(List<T> choices) where T : struct => choices.Count == 0 ? null : choices[world.Chance.Next(choices.Count)];
}
