using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Version = Orleans.ImageMgmt.Domain.Version;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Versions over HTTP: import, publish, disable, enable, delete, and where their copies are.</summary>
internal sealed class VersionDoors(IGrainFactory grains, CatalogReader catalog, Accepting accepting, PublishPlanning planning, TimeProvider time)
{
    public void Map(IEndpointRouteBuilder app)
    {
        app.Door("GET", Wire.Routes.Versions, "ListVersions", "Lists the versions of an image by name.", Roles.Viewer, ListAsync).Produces<Wire.Page<Wire.VersionResource>>()
            .Query("status", "Only versions with this status.", typeof(Wire.VersionStatus)).Query("name", "Only versions whose name begins with this.", typeof(string))
            .Query("sort", "name or -name.", typeof(string)).Pages();
        app.Door("POST", Wire.Routes.Versions, "ImportVersion", "Imports a new image, or a new version of a known one, from a source on a pod.", Roles.Publisher, ImportAsync)
            .Takes<Wire.ImportRequest>().BeginsOperation();
        app.Door("GET", Wire.Routes.Version, "GetImageVersion", "Shows a version.", Roles.Viewer, GetAsync).Produces<Wire.VersionResource>();
        app.Door("POST", Wire.Routes.VersionPublish, "PublishVersion", "Puts a verified copy of a version on every target.", Roles.Publisher, PublishAsync)
            .Takes<Wire.PublishRequest>(isOptional: true).BeginsOperation().HeedsTag();
        app.Door("POST", Wire.Routes.VersionPublishPlan, "PlanPublish", "Says what a publish would take, pod by pod; nothing is changed.", Roles.Publisher, PlanAsync)
            .Takes<Wire.PublishRequest>(isOptional: true).Produces<Wire.PublishPlanResource>().Pages().Refuses(StatusCodes.Status409Conflict);
        app.Door("POST", Wire.Routes.VersionDisable, "DisableVersion", "Stops new use of a version.", Roles.Publisher, DisableAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).Produces<Wire.VersionResource>().HeedsTag().Refuses(StatusCodes.Status409Conflict);
        app.Door("POST", Wire.Routes.VersionEnable, "EnableVersion", "Allows new use of a version again.", Roles.Publisher, EnableAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).Produces<Wire.VersionResource>().HeedsTag().Refuses(StatusCodes.Status409Conflict);
        app.Door("DELETE", Wire.Routes.Version, "DeleteVersion", "Removes every copy of a version.", Roles.Publisher, DeleteAsync)
            .Query("reason", "Why, for the activity log.", typeof(string)).BeginsOperation().HeedsTag();
        app.Door("GET", Wire.Routes.VersionCopies, "ListCopies", "Lists the copies of a version by pod.", Roles.Viewer, CopiesAsync).Produces<Wire.Page<Wire.CopyResource>>()
            .Query("state", "Only copies in this state.", typeof(Wire.CopyState)).Pages();
        app.Door("GET", Wire.Routes.VersionCopy, "GetCopy", "Shows the copy of a version on one pod, with the progress of what runs.", Roles.Viewer, CopyAsync).Produces<Wire.CopyResource>();
        app.Door("POST", Wire.Routes.VersionCopyVerify, "VerifyCopy", "Reads a copy back; one that is damaged, or was, is repaired from another pod.", Roles.Operator, VerifyCopyAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).BeginsOperation();
        app.Door("GET", Wire.Routes.VersionReceipts, "ListReceipts", "Lists the receipts of a version's available copies by pod.", Roles.Viewer, ReceiptsAsync)
            .Produces<Wire.Page<Wire.ReceiptResource>>().Pages();
    }

    private async Task<IResult> ListAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("status", "name", "sort", "limit", "cursor");
        var image = ask.Path<ImageName>("image");
        var query = new CatalogQuery(CatalogKind.Version)
        {
            Image = image.Value,
            Status = ask.QueryEnum<Wire.VersionStatus, VersionStatus>("status")?.ToString(),
            NamePrefix = ask.QueryText("name", Limits.LabelLength),
            Descending = ask.Descending("name"),
            After = ask.Cursor(),
            Limit = ask.Limit(),
        };
        ask.Check();
        if (!(await grains.GetImage(image).GetAsync()).Exists)
        {
            throw RequestProblem.Unknown("image", image.Value);
        }

        var page = await catalog.ListAsync(query, ask.Stop);
        return Replies.Page(http, [.. page.Rows.Select(ToWire.Version)], page.Next?.ToString());
    }

    private async Task<IResult> ImportAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var image = ask.Path<ImageName>("image");
        var operation = ask.Operation();
        var body = await ask.BodyAsync<Wire.ImportRequest>();
        var plan = ImportPlan.Read(ask, body);
        var by = ask.By(body.Reason);
        ask.Check();
        return await accepting.BeginAsync(http, operation, body, async id =>
        {
            var name = plan.NameIn(await grains.GetImage(image).GetAsync());
            return name.IsDone
                ? await grains.GetImage(image).ImportAsync(new ImportRequest(id, image, name.Value.Version, name.Value.From, plan.Pod, plan.Source, body.Description, by))
                : Reply.Refused<OperationId>(name.Refusal);
        });
    }

    private async Task<IResult> GetAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var id = ask.VersionId();
        ask.Check();
        return await ShowAsync(http, id);
    }

    private async Task<IResult> PublishAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var (id, operation) = (ask.VersionId(), ask.Operation());
        var body = await ask.BodyAsync<Wire.PublishRequest>(mayBeEmpty: true);
        var (by, precondition) = (ask.By(body.Reason), ask.Precondition());
        var pods = PodsOf(ask, body);
        ask.Check();
        await FindAsync(id);
        var request = new PublishRequest(operation.Id, pods, body.Labels ?? new Dictionary<string, string>(), by, precondition, body.Urgent);
        return await accepting.BeginAsync(http, operation, body, _ => grains.GetVersion(id).PublishAsync(request));
    }

    private async Task<IResult> PlanAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("limit", "cursor");
        var (id, limit, after) = (ask.VersionId(), ask.Limit(), ask.WordCursor<PodName>());
        var body = await ask.BodyAsync<Wire.PublishRequest>(mayBeEmpty: true);
        var by = ask.By(body.Reason);
        var pods = PodsOf(ask, body);
        ask.Check();
        await FindAsync(id);
        var request = new PublishRequest(new OperationId(Wire.ImageMgmtHttpClient.NewOperationId()), pods, body.Labels ?? new Dictionary<string, string>(), by);
        return Replies.One(http, ToWire.Plan(id, (await planning.PlanAsync(id, request, after, limit)).OrThrow()), null);
    }

    private static List<PodName>? PodsOf(Ask ask, Wire.PublishRequest body)
    {
        if (body is { Pods: not null, Labels: not null })
        {
            ask.Fault("labels", "field.conflict", "It cannot be given together with pods.");
        }

        PodDoors.CheckMap(ask, "labels", body.Labels ?? new Dictionary<string, string>(), Limits.Labels, Limits.LabelLength);
        if (body.Pods?.Count is 0 or > Limits.Pods)
        {
            ask.Fault("pods", "field.invalid", $"It must name 1 to {Limits.Pods} pods.");
        }

        return body.Pods is null ? null : [.. body.Pods.Select((p, at) => ask.Word<PodName>($"pods[{at}]", p) ?? default)];
    }

    private Task<IResult> DisableAsync(HttpContext http) => ChangeAsync(http, (version, by, precondition) => version.DisableAsync(by, precondition));

    private Task<IResult> EnableAsync(HttpContext http) => ChangeAsync(http, (version, by, precondition) => version.EnableAsync(by, precondition));

    private async Task<IResult> ChangeAsync(HttpContext http, Func<IVersionGrain, RequestedBy, Precondition?, Task<Reply<VersionStatus>>> change)
    {
        var ask = new Ask(http).Knows();
        var id = ask.VersionId();
        var body = await ask.BodyAsync<Wire.ActionRequest>(mayBeEmpty: true);
        var (by, precondition) = (ask.By(body.Reason), ask.Precondition());
        ask.Check();
        await FindAsync(id);
        (await change(grains.GetVersion(id), by, precondition)).OrThrow();
        return await ShowAsync(http, id);
    }

    private async Task<IResult> DeleteAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("reason");
        var (id, operation) = (ask.VersionId(), ask.Operation());
        var reason = ask.QueryText("reason", Limits.DescriptionLength);
        var (by, precondition) = (ask.By(reason), ask.Precondition());
        ask.Check();
        await FindAsync(id);
        return await accepting.BeginAsync(http, operation, reason ?? "", key => grains.GetVersion(id).DeleteAsync(key, by, precondition));
    }

    private async Task<IResult> CopiesAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("state", "limit", "cursor");
        var page = await CopyRowsAsync(ask, ask.QueryEnum<Wire.CopyState, CopyState>("state"));
        return Replies.Page(http, [.. page.Rows.Select(ToWire.Copy)], page.Next?.ToString());
    }

    private async Task<IResult> ReceiptsAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("limit", "cursor");
        var page = await CopyRowsAsync(ask, CopyState.Available);
        return Replies.Page(http, [.. page.Rows.Select(row => ToWire.Receipt(row.Read<CopyBody>().Receipt)!)], page.Next?.ToString());
    }

    private async Task<CatalogPage> CopyRowsAsync(Ask ask, CopyState? state)
    {
        var id = ask.VersionId();
        var query = new CatalogQuery(CatalogKind.Copy)
        {
            Image = id.Image.Value, Version = id.Version.Value, Status = state?.ToString(), After = ask.Cursor(), Limit = ask.Limit(),
        };
        ask.Check();
        await FindAsync(id);
        return await catalog.ListAsync(query, ask.Stop);
    }

    private async Task<IResult> CopyAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var (id, pod) = (ask.VersionId(), ask.Path<PodName>("pod"));
        ask.Check();
        var copy = await grains.GetPod(pod).GetCopyAsync(id);
        return copy.Copy.Revision == 0
            ? throw UnknownCopy(id, pod)
            : Replies.One(http, ToWire.Copy(copy, time.GetUtcNow()), null);
    }

    private async Task<IResult> VerifyCopyAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var (id, pod, operation) = (ask.VersionId(), ask.Path<PodName>("pod"), ask.Operation());
        var body = await ask.BodyAsync<Wire.ActionRequest>(mayBeEmpty: true);
        var by = ask.By(body.Reason);
        ask.Check();
        if ((await grains.GetPod(pod).GetCopyAsync(id)).Copy.Revision == 0)
        {
            throw UnknownCopy(id, pod);
        }

        return await accepting.BeginAsync(http, operation, body, key => grains.GetPod(pod).VerifyCopyAsync(id, key, by));
    }

    private static RequestProblem UnknownCopy(VersionId id, PodName pod) =>
        new(StatusCodes.Status404NotFound, "copy.unknown", $"Pod {pod} holds no copy of {id}.", "List the version's copies to see which exist.");

    private async Task<Version> FindAsync(VersionId id)
    {
        var version = await grains.GetVersion(id).GetAsync();
        return version.Exists ? version : throw RequestProblem.Unknown("version", id.Value);
    }

    private async Task<IResult> ShowAsync(HttpContext http, VersionId id)
    {
        var version = ToWire.Version(await FindAsync(id));
        return Replies.One(http, version, version.Etag);
    }
}
