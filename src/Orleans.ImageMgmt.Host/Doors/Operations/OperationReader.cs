using System.Security.Cryptography;
using System.Text.Json;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>How operations stand: from the catalog's row, and from the grains that do the work.</summary>
internal sealed class OperationReader(IGrainFactory grains, CatalogReader catalog, TimeProvider time)
{
    /// <exception cref="RequestProblem">There is no such operation.</exception>
    public async Task<Wire.OperationResource> GetAsync(OperationId id, CancellationToken stop) =>
        await FindAsync(id, stop) ?? throw RequestProblem.Unknown("operation", id.Value);

    public async Task<Wire.OperationResource?> FindAsync(OperationId id, CancellationToken stop) => (await ReadAsync(id, withTargets: false, stop))?.Operation;

    /// <exception cref="RequestProblem">There is no such operation.</exception>
    public async Task<OperationBody> BodyAsync(OperationId id, CancellationToken stop) =>
        (await catalog.FindAsync(CatalogKind.Operation, id.Value, stop))?.Read<OperationBody>() ?? throw RequestProblem.Unknown("operation", id.Value);

    /// <summary>The operation with all its targets, in one consistent look at each shard; null when there is none.</summary>
    public async Task<OperationSnapshot?> ReadAsync(OperationId id, bool withTargets, CancellationToken stop)
    {
        if (await catalog.FindAsync(CatalogKind.Operation, id.Value, stop) is not { } row)
        {
            return null;
        }

        var body = row.Read<OperationBody>();
        var snapshot = body switch
        {
            { Kind: OperationBody.Publish } => await ReadPublishAsync(row, body, withTargets),
            { Kind: OperationBody.Import, Version: { } version } => await ReadImportAsync(row, body, version),
            { Kind: OperationBody.Delete, Version: { } version } => await ReadDeleteAsync(row, body, version, withTargets),
            { Kind: OperationBody.Verify, Version: { } version, Pod: { } pod } => await ReadVerifyAsync(row, body, version, pod),
            _ => new OperationSnapshot(Of(row, body, body.State, body.Totals), []),
        };
        return snapshot with { Operation = Tagged(snapshot.Operation) };
    }

    /// <summary>One row of the list.</summary>
    public static Wire.OperationResource Row(CatalogRow row)
    {
        var body = row.Read<OperationBody>();
        return Of(row, body, body.State, body.Totals);
    }

    /// <summary>A page of targets, in their frozen order, from a number on.</summary>
    public async Task<(IReadOnlyList<Wire.TargetResource> Items, long? Next)> TargetsAsync(OperationId id, long from, int limit, CancellationToken stop)
    {
        var body = await BodyAsync(id, stop);
        if (body.Kind != OperationBody.Publish || (await grains.GetPublish(id).GetAsync(null)).Publish.Order is not { } order)
        {
            var all = (await ReadAsync(id, withTargets: true, stop))?.Targets ?? [];
            return ([.. all.Skip((int)Math.Min(from, int.MaxValue)).Take(limit)], from + limit < all.Count ? from + limit : null);
        }

        var items = new List<Wire.TargetResource>();
        var now = time.GetUtcNow();
        for (var at = from; at < order.Targets.Count && items.Count < limit;)
        {
            var shard = await grains.GetShard(id, (int)(at / Limits.PodsPerShard)).GetTargetsAsync();
            var part = shard.Skip((int)(at % Limits.PodsPerShard)).Take(limit - items.Count).ToList();
            if (part.Count == 0)
            {
                break; // the shard has not heard of its order yet
            }

            items.AddRange(part.Select(t => ToWire.Target(t, now)));
            at += part.Count;
        }

        var next = from + items.Count;
        return (items, items.Count > 0 && next < order.Targets.Count ? next : null);
    }

    private async Task<OperationSnapshot> ReadPublishAsync(CatalogRow row, OperationBody body, bool withTargets)
    {
        var publish = (await grains.GetPublish(body.Operation).GetAsync(null)).Publish;
        if (publish.Order is not { } order)
        {
            return new OperationSnapshot(Of(row, body, body.State, body.Totals), []); // its grain has not stored the order yet
        }

        // Shards whose targets have all ended say nothing new about progress.
        List<int> shards = [.. Enumerable.Range(0, publish.Shards.Count).Where(n => withTargets || publish.Shards[n].Open > 0)];
        var targets = new List<TargetView>();
        foreach (var shard in shards)
        {
            targets.AddRange(await grains.GetShard(body.Operation, shard).GetTargetsAsync());
        }

        var now = time.GetUtcNow();
        var operation = Of(row, body, publish.State, publish.Totals) with
        {
            Progress = PublishProgress(publish, order.Content, targets, now),
            Allows = AllowedOf(publish),
            EndedAt = publish.EndedAt,
        };
        return new OperationSnapshot(operation, withTargets ? [.. targets.Select(t => ToWire.Target(t, now))] : []);
    }

    private static Wire.OperationProgress PublishProgress(Publish publish, ContentDescription content, IReadOnlyList<TargetView> targets, DateTimeOffset now)
    {
        var totals = publish.Totals;
        var wanted = totals.Available + totals.Open;
        var (bytes, chunks, rate) = ((long)totals.Available * content.DataLength, (long)totals.Available * content.DataChunks, 0L);
        foreach (var target in targets.Where(t => t is { Outcome: TargetOutcome.Open, Progress: not null }))
        {
            var progress = target.Progress!;
            var isSending = progress.Phase == CopyState.Replicating;
            bytes += isSending ? Math.Clamp(content.DataLength - progress.BytesNeeded + progress.BytesSent, 0, content.DataLength) : content.DataLength;
            chunks += isSending ? Math.Clamp(content.DataChunks - progress.ChunksNeeded + progress.ChunksStaged, 0, content.DataChunks) : content.DataChunks;
            rate += ToWire.Progress(progress, now)!.BytesPerSecond;
        }

        var total = (long)wanted * content.DataLength;
        return new Wire.OperationProgress
        {
            DoneBytes = Math.Min(bytes, total),
            TotalBytes = total,
            TravelledBytes = targets.Where(t => t.Outcome == TargetOutcome.Open).Sum(t => t.Progress?.BytesTravelled ?? 0),
            DoneChunks = Math.Min(chunks, (long)wanted * content.DataChunks),
            TotalChunks = (long)wanted * content.DataChunks,
            BytesPerSecond = rate,
            RemainingSeconds = totals.Open == 0 ? 0 : ToWire.Remaining(total - bytes, rate),
        };
    }

    private static List<Wire.OperationVerb> AllowedOf(Publish publish) => publish switch
    {
        { State: OperationState.Running, IsCancelling: false } => publish.Totals.Failed > 0
            ? [Wire.OperationVerb.Cancel, Wire.OperationVerb.Pause, Wire.OperationVerb.Retry] : [Wire.OperationVerb.Cancel, Wire.OperationVerb.Pause],
        { State: OperationState.Paused } => [Wire.OperationVerb.Cancel, Wire.OperationVerb.Resume],
        { State: OperationState.Failed or OperationState.PartiallySucceeded } when publish.Totals.Failed > 0 => [Wire.OperationVerb.Retry],
        _ => [],
    };

    private async Task<OperationSnapshot> ReadImportAsync(CatalogRow row, OperationBody body, VersionId id)
    {
        var version = await grains.GetVersion(id).GetAsync();
        if (version.Import != body.Operation || version.SourcePod is not { } pod)
        {
            return new OperationSnapshot(Of(row, body, body.State, body.Totals), []); // not begun, or the version has been imported anew since
        }

        var now = time.GetUtcNow();
        var copy = await grains.GetPod(pod).GetCopyAsync(id);
        var state = version.ImportState;
        var totals = new TargetTotals(1, state == OperationState.Succeeded ? 1 : 0, state == OperationState.Failed ? 1 : 0, state == OperationState.Cancelled ? 1 : 0);
        var progress = ToWire.Progress(copy.Progress, now);
        var operation = Of(row, body, state, totals) with
        {
            Fault = ToWire.Fault(version.Fault),
            Progress = ImportProgress(version, progress),
            Allows = state switch
            {
                OperationState.Running => [Wire.OperationVerb.Cancel],
                OperationState.Failed => [Wire.OperationVerb.Retry],
                _ => [],
            },
            EndedAt = state.IsEnded() ? row.Changed : null,
        };
        var outcome = state switch
        {
            OperationState.Succeeded => TargetOutcome.Available,
            OperationState.Failed => TargetOutcome.Failed,
            OperationState.Cancelled => TargetOutcome.Cancelled,
            _ => TargetOutcome.Open,
        };
        var target = new TargetView(pod, outcome, copy.Copy.Revision == 0 ? CopyState.Pending : copy.Copy.State, copy.Copy.Fault ?? version.Fault, copy.Copy.Tries,
            copy.Copy.RetryAt, copy.Progress, copy.Copy.Receipt);
        return new OperationSnapshot(operation, [ToWire.Target(target, now)]);
    }

    private static Wire.OperationProgress? ImportProgress(Version version, Wire.TransferProgress? progress) => (version.Content, progress) switch
    {
        ({ } content, _) => new Wire.OperationProgress
        {
            DoneBytes = content.Length, TotalBytes = content.Length, DoneChunks = content.DataChunks, TotalChunks = content.DataChunks, BytesPerSecond = 0, RemainingSeconds = 0,
        },
        (_, { } running) => new Wire.OperationProgress
        {
            DoneBytes = running.VerifiedBytes, TotalBytes = running.ToVerifyBytes, DoneChunks = 0, TotalChunks = 0,
            BytesPerSecond = running.BytesPerSecond, RemainingSeconds = running.RemainingSeconds,
        },
        _ => null,
    };

    private async Task<OperationSnapshot> ReadDeleteAsync(CatalogRow row, OperationBody body, VersionId id, bool withTargets)
    {
        var version = await grains.GetVersion(id).GetAsync();
        if (version.Delete != body.Operation)
        {
            return new OperationSnapshot(Of(row, body, body.State, body.Totals), []); // the version has been imported anew since
        }

        var holders = version.Targets.Keys.Concat(version.Former).Concat(version.SourcePod is { } source ? [source] : [])
            .Concat(version.Removing).Distinct().OrderBy(p => p.Value, StringComparer.Ordinal).ToList();
        var views = !withTargets ? [] : await Task.WhenAll(holders.Select(async pod =>
        {
            var isLeft = version.Removing.Contains(pod);
            var copy = isLeft ? (await grains.GetPod(pod).GetCopyAsync(id)).Copy : null;
            return new TargetView(pod, isLeft ? TargetOutcome.Open : TargetOutcome.Available, copy?.State ?? CopyState.Deleted, copy?.Fault, copy?.Tries ?? 0, copy?.RetryAt, null, null);
        }));
        var totals = new TargetTotals(holders.Count, holders.Count - version.Removing.Count, 0, 0);
        var operation = Of(row, body, version.IsDeleted ? OperationState.Succeeded : OperationState.Running, totals) with { EndedAt = version.IsDeleted ? version.ChangedAt : null, Allows = [] };
        return new OperationSnapshot(operation, [.. views.Select(v => ToWire.Target(v, time.GetUtcNow()))]);
    }

    private async Task<OperationSnapshot> ReadVerifyAsync(CatalogRow row, OperationBody body, VersionId id, PodName pod)
    {
        var view = await grains.GetPod(pod).GetCopyAsync(id);
        if (view.Copy.Check is not { } check || check.Operation != body.Operation)
        {
            return new OperationSnapshot(Of(row, body, body.State, body.Totals), []); // the copy has been verified again since
        }

        var now = time.GetUtcNow();
        var outcome = check.State switch
        {
            OperationState.Succeeded => TargetOutcome.Available,
            OperationState.Failed => TargetOutcome.Failed,
            OperationState.Cancelled => TargetOutcome.Cancelled,
            _ => TargetOutcome.Open,
        };
        var progress = check.IsOpen ? view.Progress : null;
        var operation = Of(row, body, check.State, body.Totals) with { Fault = ToWire.Fault(check.Fault), Progress = VerifyProgress(ToWire.Progress(progress, now)), Allows = [], EndedAt = check.EndedAt };
        var target = new TargetView(pod, outcome, view.Copy.State, view.Copy.Fault ?? check.Fault, view.Copy.Tries, view.Copy.RetryAt, progress, view.Copy.Receipt);
        return new OperationSnapshot(operation, [ToWire.Target(target, now)]);
    }

    private static Wire.OperationProgress? VerifyProgress(Wire.TransferProgress? running) => running is null ? null : new Wire.OperationProgress
    {
        DoneBytes = running.VerifiedBytes, TotalBytes = running.ToVerifyBytes, DoneChunks = running.StagedChunks, TotalChunks = running.NeededChunks,
        BytesPerSecond = running.BytesPerSecond, RemainingSeconds = running.RemainingSeconds,
    };

    private static Wire.OperationResource Of(CatalogRow row, OperationBody body, OperationState state, TargetTotals? totals) => new()
    {
        Id = body.Operation.Value,
        Kind = body.Kind switch
        {
            OperationBody.Import => Wire.OperationKind.Import,
            OperationBody.Publish => Wire.OperationKind.Publish,
            OperationBody.Verify => Wire.OperationKind.Verify,
            _ => Wire.OperationKind.Delete,
        },
        State = Wording.To<Wire.OperationState>(state),
        Image = (body.Version?.Image ?? body.Image)?.Value ?? "",
        Version = body.Version?.Version.Value,
        Targets = totals is { } known ? ToWire.Totals(known) : null,
        Fault = ToWire.Fault(body.Fault),
        CreatedAt = row.Created,
        ChangedAt = row.Changed,
        EndedAt = state.IsEnded() ? row.Changed : null,
    };

    /// <summary>
    /// Many records make up one operation; its tag is over what is shown of them. It has two parts: the first is over what somebody decides by (state,
    /// faults, what is allowed), the second over everything. A change heeds the first alone, because the rest moves by itself while the operation runs.
    /// </summary>
    private static Wire.OperationResource Tagged(Wire.OperationResource operation)
    {
        var standing = operation with
        {
            Progress = null,
            ChangedAt = default,
            Targets = operation.Targets is { } targets ? targets with { Open = 0, Available = 0 } : null,
        };
        return operation with { Etag = $"{HashOf(standing)}-{HashOf(operation)}" };
    }

    /// <summary>The part of a tag that a change heeds.</summary>
    public static string StandingOf(string tag) => tag.Split('-', 2)[0];

    private static string HashOf(Wire.OperationResource operation) =>
        Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(operation, Wire.ImageMgmtJson.Options)).AsSpan(0, 8));
}

/// <summary>An operation and its targets at one moment.</summary>
internal sealed record OperationSnapshot(Wire.OperationResource Operation, IReadOnlyList<Wire.TargetResource> Targets);
