using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>The domain's records as the wire shows them.</summary>
internal static class ToWire
{
    public static Wire.Fault? Fault(ConnectorFault? fault) => fault is null ? null : new Wire.Fault
    {
        Code = fault.Code,
        Stage = Wording.Camel(fault.Stage),
        Cause = Wording.Camel(fault.Cause),
        Detail = fault.Detail,
        NextStep = fault.NextStep,
        IsRetryable = Faults.IsRetryable(fault.Cause),
    };

    public static Wire.PodResource Pod(PodView view, DateTimeOffset now) => new()
    {
        Name = view.Pod.Name.Value,
        State = Wording.To<Wire.PodState>(view.Pod.State),
        Family = view.Pod.Spec!.Family,
        Settings = view.Pod.Spec.Settings,
        Labels = view.Pod.Spec.Labels,
        Slots = view.Pod.Spec.Slots,
        Caps = Caps(view.Pod.Spec.Caps),
        RatesNow = RatesNow(view.Pod.Spec.Caps, now),
        MovingCopies = view.Moving.Count,
        FailedProbes = view.Pod.FailedProbes,
        ProbedAt = view.Pod.ProbedAt,
        Fault = Fault(view.Pod.Fault),
        ChangedAt = view.Pod.ChangedAt,
        Etag = RecordTags.Of(view.Pod),
    };

    private static Wire.PodCapsResource? Caps(PodCaps? caps) => caps is null || caps == PodCaps.None ? null : new Wire.PodCapsResource
    {
        In = caps.In,
        Out = caps.Out,
        Link = caps.Link,
        LinkRate = caps.LinkRate,
        TimeZone = caps.TimeZone,
    };

    private static Wire.PodRatesNow? RatesNow(PodCaps? caps, DateTimeOffset now) => caps is null || caps == PodCaps.None ? null : new Wire.PodRatesNow
    {
        InBytesPerSecond = PodRates.Now(caps.In, caps, now),
        OutBytesPerSecond = PodRates.Now(caps.Out, caps, now),
        LinkBytesPerSecond = PodRates.Now(caps.LinkRate, caps, now),
    };

    public static Wire.CopyResource Copy(CopyView view, DateTimeOffset now) => new()
    {
        Image = view.Copy.Version.Image.Value,
        Version = view.Copy.Version.Version.Value,
        Pod = view.Copy.Pod.Value,
        Role = Wording.To<Wire.CopyRole>(view.Copy.Role),
        State = Wording.To<Wire.CopyState>(view.Copy.State),
        Generation = view.Copy.Generation.Value,
        Fault = Fault(view.Copy.Fault),
        RetryAt = view.Copy.RetryAt,
        Damage = Damage(view.Copy.Damage, view.Copy.DamagedAt),
        Receipt = Receipt(view.Copy.Receipt),
        Progress = Progress(view.Progress, now),
        ChangedAt = view.Copy.ChangedAt,
    };

    public static Wire.CopyResource Copy(CatalogRow row)
    {
        var body = row.Read<CopyBody>();
        return new Wire.CopyResource
        {
            Image = body.Version.Image.Value,
            Version = body.Version.Version.Value,
            Pod = body.Pod.Value,
            Role = Wording.To<Wire.CopyRole>(body.Role),
            State = Wording.To<Wire.CopyState>(body.State),
            Generation = body.Generation.Value,
            Fault = Fault(body.Fault),
            RetryAt = body.RetryAt,
            Damage = Damage(body.Damage, body.DamagedAt),
            Receipt = Receipt(body.Receipt),
            ChangedAt = row.Changed,
        };
    }

    public static Wire.ReceiptResource? Receipt(Receipt? receipt) => receipt is null ? null : new Wire.ReceiptResource
    {
        Image = receipt.Version.Image.Value,
        Version = receipt.Version.Version.Value,
        Pod = receipt.Pod.Value,
        Datastore = receipt.Datastore,
        Location = receipt.Location,
        ContentDigest = receipt.ContentDigest.Value,
        ArtefactDigest = receipt.ArtefactDigest.Value,
        LengthBytes = receipt.Length,
        SentBytes = receipt.BytesSent,
        ReadBackBytes = receipt.BytesReadBack,
        VerifiedAt = receipt.VerifiedAt,
        ConnectorVersion = receipt.ConnectorVersion,
        Generation = receipt.Generation.Value,
        Repair = receipt.Repair is not { } repair ? null : new Wire.RepairResource { At = repair.At, FetchedBytes = repair.BytesFetched, Chunks = repair.Chunks, From = repair.From.Value },
    };

    private static Wire.DamageResource? Damage(ContentDamage? damage, DateTimeOffset? foundAt) => damage is null ? null : new Wire.DamageResource
    {
        FoundAt = foundAt ?? default,
        BadChunks = damage.BadChunks,
        ChunkBytes = damage.ChunkSize,
        Offsets = [.. damage.Chunks.Select(chunk => (long)chunk * damage.ChunkSize)],
    };

    public static Wire.TransferProgress? Progress(CopyProgress? progress, DateTimeOffset now)
    {
        if (progress is null)
        {
            return null;
        }

        var seconds = (now - progress.StartedAt).TotalSeconds;
        var isSending = progress.Phase == CopyState.Replicating;
        var (done, all) = isSending ? (progress.BytesSent, progress.BytesNeeded) : (progress.BytesVerified, progress.BytesToVerify);
        var rate = seconds > 0 ? (long)(done / seconds) : 0;
        return new Wire.TransferProgress
        {
            Phase = Wording.To<Wire.CopyState>(progress.Phase),
            NeededChunks = progress.ChunksNeeded,
            ResumedChunks = progress.ChunksStagedBefore,
            StagedChunks = progress.ChunksStaged,
            NeededBytes = progress.BytesNeeded,
            SentBytes = progress.BytesSent,
            TravelledBytes = progress.BytesTravelled,
            VerifiedBytes = progress.BytesVerified,
            ToVerifyBytes = progress.BytesToVerify,
            BytesPerSecond = rate,
            RemainingSeconds = Remaining(all - done, rate),
            StartedAt = progress.StartedAt,
        };
    }

    /// <summary>Null while nothing moves: no number is better than a wrong one.</summary>
    public static long? Remaining(long bytes, long rate) => rate > 0 ? (Math.Max(bytes, 0) + rate - 1) / rate : null;

    public static Wire.ImageResource Image(Image image) => new()
    {
        Name = image.Name.Value,
        Status = Wording.To<Wire.ImageStatus>(image.Status),
        Family = image.Family,
        SourcePod = image.SourcePod?.Value,
        Description = image.Description,
        VersionCount = image.Versions.Count,
        CreatedAt = image.CreatedAt,
        ChangedAt = image.ChangedAt,
        Etag = RecordTags.Of(image),
    };

    public static Wire.ImageResource Image(CatalogRow row)
    {
        var body = row.Read<ImageBody>();
        return new Wire.ImageResource
        {
            Name = body.Name.Value,
            Status = Wording.To<Wire.ImageStatus>(body.Status),
            Family = body.Family,
            SourcePod = body.SourcePod?.Value,
            Description = body.Description,
            VersionCount = body.Versions,
            CreatedAt = body.CreatedAt,
            ChangedAt = row.Changed,
        };
    }

    public static Wire.VersionResource Version(Version version) => new()
    {
        Image = version.Id.Image.Value,
        Version = version.Id.Version.Value,
        Status = Wording.To<Wire.VersionStatus>(version.Status),
        IsUsable = version.IsUsable,
        Family = version.Family,
        SourcePod = version.SourcePod?.Value,
        SourcePath = version.Source?.Path,
        From = version.From?.Value,
        Description = version.Description,
        Content = Content(version.Content),
        Targets = Totals(new TargetTotals(version.Targets.Count, Count(version, TargetOutcome.Available), Count(version, TargetOutcome.Failed), Count(version, TargetOutcome.Cancelled))),
        Fault = Fault(version.Fault),
        Generation = version.Generation.Value,
        ImportOperation = version.Import?.Value,
        OpenPublishes = [.. version.OpenPublishes.Select(o => o.Value)],
        DeleteOperation = version.Delete?.Value,
        CreatedAt = version.CreatedAt,
        ChangedAt = version.ChangedAt,
        Etag = RecordTags.Of(version),
    };

    public static Wire.VersionResource Version(CatalogRow row)
    {
        var body = row.Read<VersionBody>();
        return new Wire.VersionResource
        {
            Image = body.Id.Image.Value,
            Version = body.Id.Version.Value,
            Status = Wording.To<Wire.VersionStatus>(body.Status),
            IsUsable = body.IsUsable,
            Family = row.Family ?? "",
            SourcePod = body.SourcePod?.Value,
            From = body.From?.Value,
            Description = body.Description,
            Content = Content(body.Content),
            Targets = Totals(body.Targets),
            Fault = Fault(body.Fault),
            Generation = body.Generation.Value,
            CreatedAt = body.CreatedAt,
            ChangedAt = row.Changed,
        };
    }

    public static Wire.PublishPlanResource Plan(VersionId id, ForeseenPage page) => new()
    {
        Image = id.Image.Value,
        Version = id.Version.Value,
        SendBytes = page.Pods.Where(p => p.Plan.Refusal is null).Sum(p => p.Plan.Receive?.BytesToSend ?? 0),
        AllPods = page.All,
        Pods = [.. page.Pods.Select(Plan)],
        NextCursor = page.Next?.Value,
    };

    private static Wire.PodPlanResource Plan(ForeseenPod pod) => new()
    {
        Pod = pod.Plan.Pod.Value,
        SendBytes = pod.Plan.Receive?.BytesToSend,
        StagedBytes = pod.Plan.Receive?.BytesStaged,
        ReusedBytes = pod.Plan.Receive?.BytesReused,
        IsThere = pod.Plan.Receive?.IsHeld ?? false,
        ByBlocks = pod.Plan.Receive?.ByBlocks ?? false,
        Datastore = pod.Plan.Receive?.Datastore,
        RoomNeededBytes = pod.Plan.Receive?.RoomNeeded,
        RoomFreeBytes = pod.Plan.Receive?.RoomFree,
        BytesPerSecond = pod.BytesPerSecond,
        ExpectedSeconds = pod.Takes is { } takes ? (long)Math.Ceiling(takes.TotalSeconds) : null,
        RefusalCode = pod.Plan.Refusal?.Code,
        Refusal = pod.Plan.Refusal is { } refusal ? $"{refusal.Message} {refusal.Hint}" : null,
        Unknown = pod.Plan.Unknown,
    };

    public static Wire.TargetTotals Totals(TargetTotals totals) => new()
    {
        All = totals.All,
        Open = totals.Open,
        Available = totals.Available,
        Failed = totals.Failed,
        Cancelled = totals.Cancelled,
    };

    public static Wire.TargetResource Target(TargetView target, DateTimeOffset now) => new()
    {
        Pod = target.Pod.Value,
        Outcome = Wording.To<Wire.TargetOutcome>(target.Outcome),
        State = Wording.To<Wire.CopyState>(target.State),
        Fault = target.State == CopyState.Available ? null : Fault(target.Fault),
        Tries = target.Tries,
        RetryAt = target.RetryAt,
        Progress = Progress(target.Progress, now),
        Receipt = Receipt(target.Receipt),
    };

    public static Wire.ActivityResource Activity(ActivityRow row)
    {
        var body = System.Text.Json.JsonSerializer.Deserialize<ActivityBody>(row.Body, StateJson.Options)!;
        return new Wire.ActivityResource
        {
            Number = row.Number,
            At = row.At,
            Actor = row.Actor,
            Origin = body.Origin,
            Action = row.Action,
            What = body.What,
            Reason = body.Reason.Length > 0 ? body.Reason : null,
            Image = row.Image,
            Version = row.Version,
            Pod = row.Pod,
            Operation = row.Operation,
        };
    }

    private static Wire.ContentResource? Content(ContentDescription? content) => content is null ? null : new Wire.ContentResource
    {
        Kind = Wording.Camel(content.Kind),
        Digest = content.ContentDigest.Value,
        LengthBytes = content.Length,
        DataBytes = content.DataLength,
        ChunkBytes = content.ChunkSize,
        DataChunks = content.DataChunks,
        SourceFormat = Wording.Camel(content.SourceFormat),
        SourceBytes = content.SourceLength,
        SourceDigest = content.SourceDigest.Value,
    };

    private static int Count(Version version, TargetOutcome outcome) => version.Targets.Values.Count(o => o == outcome);
}
