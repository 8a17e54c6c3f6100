using System.Globalization;
using System.Text.Json;
using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Lists for those who are not in this process.</summary>
[GrainType("catalog"), StatelessWorker, Reentrant]
internal sealed class CatalogGrain(CatalogReader catalog) : Grain, ICatalogGrain
{
    public Task<Reply<ListPage<ImageRow>>> ListImagesAsync(ListRequest request) => ListAsync(CatalogKind.Image, request, row =>
    {
        var body = row.Read<ImageBody>();
        return new ImageRow(body.Name, body.Status, body.Family, body.SourcePod, body.Description, body.Versions, body.CreatedAt);
    });

    public Task<Reply<ListPage<VersionRow>>> ListVersionsAsync(ListRequest request) => ListAsync(CatalogKind.Version, request, row =>
    {
        var body = row.Read<VersionBody>();
        return new VersionRow(body.Id, body.Status, body.IsUsable, body.Content, body.SourcePod, body.From, body.Targets, body.Fault, body.CreatedAt, body.Description);
    });

    public Task<Reply<ListPage<PodRow>>> ListPodsAsync(ListRequest request) => ListAsync(CatalogKind.Pod, request, row =>
    {
        var body = row.Read<PodBody>();
        return new PodRow(body.Name, body.State, body.Family, body.Labels, body.Fault, body.Slots);
    });

    public Task<Reply<ListPage<CopyRow>>> ListCopiesAsync(ListRequest request) => ListAsync(CatalogKind.Copy, request, row =>
    {
        var body = row.Read<CopyBody>();
        return new CopyRow(body.Version, body.Pod, body.Role, body.State, body.Generation, body.Receipt, body.Fault, body.RetryAt);
    });

    public Task<Reply<ListPage<OperationRow>>> ListOperationsAsync(ListRequest request) => ListAsync(CatalogKind.Operation, request, ToOperation);

    public async Task<OperationRow?> FindOperationAsync(OperationId operation) =>
        await catalog.FindAsync(CatalogKind.Operation, operation.Value, CancellationToken.None) is { } row ? ToOperation(row) : null;

    public async Task<Reply<ListPage<ActivityEntry>>> ListActivityAsync(ListRequest request)
    {
        long before = 0;
        if (FaultOf(request) is { } fault)
        {
            return Reply.Refused<ListPage<ActivityEntry>>(fault);
        }

        if (request.After is not null && !long.TryParse(request.After, NumberStyles.None, CultureInfo.InvariantCulture, out before))
        {
            return Reply.Refused<ListPage<ActivityEntry>>(BadCursor);
        }

        var rows = await catalog.ListActivityAsync(
            new ActivityQuery
            {
                Image = request.Image?.Value,
                Pod = request.Pod?.Value,
                Operation = request.Operation?.Value,
                Before = request.After is null ? null : before,
                Limit = request.Limit,
            },
            CancellationToken.None);
        var next = rows.Count == request.Limit ? rows[^1].Number.ToString(CultureInfo.InvariantCulture) : null;
        return Reply.Of(new ListPage<ActivityEntry>([.. rows.Select(ToEntry)], next));
    }

    private static Refusal BadCursor { get; } = new("list.bad-cursor", "The place to go on from was not made by this service.", "Give back the Next of the page before, or begin again without.");

    private async Task<Reply<ListPage<T>>> ListAsync<T>(CatalogKind kind, ListRequest request, Func<CatalogRow, T> read)
    {
        CatalogCursor after = default;
        if (FaultOf(request) is { } fault)
        {
            return Reply.Refused<ListPage<T>>(fault);
        }

        if (request.After is not null && !CatalogCursor.TryParse(request.After, out after))
        {
            return Reply.Refused<ListPage<T>>(BadCursor);
        }

        var page = await catalog.ListAsync(
            new CatalogQuery(kind)
            {
                Image = request.Version?.Image.Value ?? request.Image?.Value,
                Version = request.Version?.Version.Value,
                Pod = request.Pod?.Value,
                Status = request.Status,
                Family = request.Family,
                NamePrefix = request.NamePrefix,
                Descending = kind == CatalogKind.Operation,
                After = request.After is null ? null : after,
                Limit = request.Limit,
            },
            CancellationToken.None);
        return Reply.Of(new ListPage<T>([.. page.Rows.Select(read)], page.Next?.ToString()));
    }

    private static Refusal? FaultOf(ListRequest request) => request.Limit is >= 1 and <= Limits.PageRows ? null
        : new Refusal("list.bad-limit", $"A page of {request.Limit} rows cannot be had.", $"Ask for 1 to {Limits.PageRows}.");

    private static OperationRow ToOperation(CatalogRow row)
    {
        var body = row.Read<OperationBody>();
        return new OperationRow(body.Operation, body.Kind, body.State, body.Version, body.Totals, body.Fault, row.Created, row.Changed, body.Version?.Image ?? body.Image);
    }

    private static ActivityEntry ToEntry(ActivityRow row)
    {
        var body = JsonSerializer.Deserialize<ActivityBody>(row.Body, StateJson.Options) ?? new ActivityBody("", "", "");
        return new ActivityEntry(row.Number, row.At, row.Actor, row.Action, body.What, body.Origin, body.Reason, row.Image, row.Version, row.Pod, row.Operation);
    }
}
