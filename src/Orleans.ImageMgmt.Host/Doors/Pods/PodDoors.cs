using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Pods over HTTP.</summary>
internal sealed class PodDoors(IGrainFactory grains, CatalogReader catalog, ConnectorRegistry connectors, ImageMgmtOptions options, TimeProvider time) : IDisposable
{
    /// <summary>Probes of unconnected pods that run at once: each may hold a thread in a dead share.</summary>
    private const int ProbesAtOnce = 4;

    private readonly SemaphoreSlim probes = new(ProbesAtOnce);

    public void Dispose() => probes.Dispose();

    public void Map(IEndpointRouteBuilder app)
    {
        app.Door("GET", Wire.Routes.Pods, "ListPods", "Lists pods by name.", Roles.Viewer, ListAsync).Produces<Wire.Page<Wire.PodResource>>()
            .Query("state", "Only pods in this state.", typeof(Wire.PodState)).Query("family", "Only pods of this family.", typeof(string))
            .Query("label", "Only pods that carry this label, as KEY=VALUE.", typeof(string), isRepeated: true)
            .Query("name", "Only pods whose name begins with this.", typeof(string)).Query("sort", "name or -name.", typeof(string)).Pages();
        app.Door("POST", Wire.Routes.PodProbe, "ProbePod", "Tries a pod's settings without connecting it.", Roles.Operator, ProbeAsync)
            .Takes<Wire.ProbePodRequest>().Produces<Wire.ProbePodResult>().Refuses(StatusCodes.Status429TooManyRequests);
        app.Door("PUT", Wire.Routes.Pod, "ConnectPod", "Connects a pod, or changes how it is connected.", Roles.Operator, ConnectAsync)
            .Takes<Wire.ConnectPodRequest>().Produces<Wire.PodResource>().Produces<Wire.PodResource>(StatusCodes.Status201Created).HeedsTag()
            .Reads(new DoorParameter("If-None-Match", "header", "* : only when no such pod is known.", typeof(string))).Refuses(StatusCodes.Status409Conflict);
        app.Door("GET", Wire.Routes.Pod, "GetPod", "Shows a pod.", Roles.Viewer, GetAsync).Produces<Wire.PodResource>();
        app.Door("PUT", Wire.Routes.PodLabels, "SetPodLabels", "Replaces a pod's labels.", Roles.Operator, RelabelAsync)
            .Takes<Wire.PodLabelsRequest>().Produces<Wire.PodResource>().HeedsTag();
        app.Door("PUT", Wire.Routes.PodCaps, "SetPodCaps", "Sets how fast bytes may travel to and from a pod; transfers that run go on by it.", Roles.Operator, CapAsync)
            .Takes<Wire.PodCapsRequest>().Produces<Wire.PodResource>().HeedsTag();
        app.Door("POST", Wire.Routes.PodDrain, "DrainPod", "Lets a pod finish what it has; it gets nothing new.", Roles.Operator, DrainAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).Produces<Wire.PodResource>().HeedsTag().Refuses(StatusCodes.Status409Conflict);
        app.Door("POST", Wire.Routes.PodDisconnect, "DisconnectPod", "Stops using a pod; its record is kept.", Roles.Operator, DisconnectAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).Produces<Wire.PodResource>().HeedsTag().Refuses(StatusCodes.Status409Conflict);
        app.Door("GET", Wire.Routes.PodSources, "ListSources", "Lists what can be imported from a pod; the pod itself is asked.", Roles.Viewer, SourcesAsync)
            .Produces<Wire.Page<Wire.SourceResource>>().Refuses(StatusCodes.Status409Conflict, StatusCodes.Status502BadGateway, StatusCodes.Status504GatewayTimeout).Pages();
        app.Door("GET", Wire.Routes.PodCopies, "ListPodCopies", "Lists the copies that a pod holds.", Roles.Viewer, CopiesAsync).Produces<Wire.Page<Wire.CopyResource>>()
            .Query("state", "Only copies in this state.", typeof(Wire.CopyState)).Pages();
    }

    private async Task<IResult> ListAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("state", "family", "label", "name", "sort", "limit", "cursor");
        var query = new CatalogQuery(CatalogKind.Pod)
        {
            Status = ask.QueryEnum<Wire.PodState, PodState>("state")?.ToString(),
            Family = ask.QueryText("family", Limits.LabelLength),
            NamePrefix = ask.QueryText("name", Limits.LabelLength),
            Labels = Labels(ask),
            Descending = ask.Descending("name"),
            After = ask.Cursor(),
            Limit = ask.Limit(),
        };
        ask.Check();
        var page = await catalog.ListAsync(query, ask.Stop);
        var views = await Task.WhenAll(page.Rows.Select(row => grains.GetPod(row.Read<PodBody>().Name).GetAsync()));
        return Replies.Page(http, [.. views.Where(v => v.Pod.Spec is not null).Select(v => ToWire.Pod(v, time.GetUtcNow()) with { Etag = null })], page.Next?.ToString());
    }

    private async Task<IResult> ProbeAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var body = await ask.BodyAsync<Wire.ProbePodRequest>();
        CheckSettings(ask, body.Family, body.Settings, new Dictionary<string, string>(), 1);
        var name = ask.Word<PodName>("pod", body.Pod);
        ask.Check();
        if (!await probes.WaitAsync(TimeSpan.Zero, ask.Stop))
        {
            throw new RequestProblem(StatusCodes.Status429TooManyRequests, "pod.too-many-probes", $"{ProbesAtOnce} probes are under way.", "Try again in a moment.", retryAfterSeconds: 1);
        }

        var spec = new PodSpec(name ?? new PodName("probe"), body.Family, body.Settings, new Dictionary<string, string>(), 1);
        var probing = Task.Run(() => ProbeAsync(spec), CancellationToken.None);
        try
        {
            return Results.Json(await probing.WaitAsync(options.ProbeTimeout, time, ask.Stop), Wire.ImageMgmtJson.Options);
        }
        catch (TimeoutException)
        {
            var late = new ConnectorFault(FaultStage.Probe, FaultCause.TimedOut, $"The pod did not answer within {options.ProbeTimeout.TotalSeconds:0} s.", "Check the pod and the way to it.");
            return Results.Json(new Wire.ProbePodResult { Answers = false, Fault = ToWire.Fault(late) }, Wire.ImageMgmtJson.Options);
        }
    }

    /// <summary>Keeps its slot until the pod's storage has let go, however long that is.</summary>
    private async Task<Wire.ProbePodResult> ProbeAsync(PodSpec spec)
    {
        try
        {
            var made = connectors.Create(spec);
            if (made is not ConnectorResult<IPodConnector>.Done(var connector))
            {
                return new Wire.ProbePodResult { Answers = false, Fault = ToWire.Fault(((ConnectorResult<IPodConnector>.Failed)made).Fault) };
            }

            await using (connector)
            {
                using var stop = new CancellationTokenSource(options.ProbeTimeout, time);
                return await (connector is ITrialProbe trial ? trial.TryProbeAsync(stop.Token) : connector.ProbeAsync(stop.Token)) switch
                {
                    ConnectorResult<PodProbe>.Done(var probe) => new Wire.ProbePodResult
                    {
                        Answers = true,
                        Connector = connector.Capabilities.Name,
                        FreeBytes = probe.Datastores.Where(d => d.FreeBytes is not null).ToDictionary(d => d.Name, d => d.FreeBytes!.Value),
                    },
                    ConnectorResult<PodProbe>.Failed(var fault) => new Wire.ProbePodResult { Answers = false, Connector = connector.Capabilities.Name, Fault = ToWire.Fault(fault) },
                    _ => new Wire.ProbePodResult { Answers = true, Connector = connector.Capabilities.Name },
                };
            }
        }
        finally
        {
            probes.Release();
        }
    }

    private async Task<IResult> ConnectAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<PodName>("pod");
        var body = await ask.BodyAsync<Wire.ConnectPodRequest>();
        CheckSettings(ask, body.Family, body.Settings, body.Labels, body.Slots);
        var caps = PodCapsDoor.Read(ask, body.Caps);
        var precondition = ask.Precondition();
        var by = ask.By(body.Reason);
        ask.Check();
        var isNew = (await grains.GetPod(name).GetAsync()).Pod.Spec is null;
        (await grains.GetPod(name).ConnectAsync(new PodSpec(name, body.Family, body.Settings, body.Labels, body.Slots, caps), by, precondition)).OrThrow();
        if (isNew)
        {
            http.Response.Headers.Location = Wire.Routes.Fill(Wire.Routes.Pod, name.Value);
        }

        return await ShowAsync(http, name, isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    private async Task<IResult> GetAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<PodName>("pod");
        ask.Check();
        return await ShowAsync(http, name);
    }

    private async Task<IResult> RelabelAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<PodName>("pod");
        var body = await ask.BodyAsync<Wire.PodLabelsRequest>();
        CheckMap(ask, "labels", body.Labels, Limits.Labels, Limits.LabelLength);
        var (by, precondition) = (ask.By(body.Reason), ask.Precondition());
        ask.Check();
        (await grains.GetPod(name).RelabelAsync(body.Labels, by, precondition)).OrThrow();
        return await ShowAsync(http, name);
    }

    private async Task<IResult> CapAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<PodName>("pod");
        var body = await ask.BodyAsync<Wire.PodCapsRequest>();
        var caps = PodCapsDoor.Read(ask, body.Caps);
        var (by, precondition) = (ask.By(body.Reason), ask.Precondition());
        ask.Check();
        (await grains.GetPod(name).CapAsync(caps!, by, precondition)).OrThrow();
        return await ShowAsync(http, name);
    }

    private Task<IResult> DrainAsync(HttpContext http) => ChangeAsync(http, (pod, by, precondition) => pod.DrainAsync(by, precondition));

    private Task<IResult> DisconnectAsync(HttpContext http) => ChangeAsync(http, (pod, by, precondition) => pod.DisconnectAsync(by, precondition));

    private async Task<IResult> ChangeAsync(HttpContext http, Func<IPodGrain, RequestedBy, Precondition?, Task<Reply<Pod>>> change)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<PodName>("pod");
        var body = await ask.BodyAsync<Wire.ActionRequest>(mayBeEmpty: true);
        var (by, precondition) = (ask.By(body.Reason), ask.Precondition());
        ask.Check();
        await FindAsync(name);
        (await change(grains.GetPod(name), by, precondition)).OrThrow();
        return await ShowAsync(http, name);
    }

    private async Task<IResult> SourcesAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("limit", "cursor");
        var (name, limit, cursor) = (ask.Path<PodName>("pod"), ask.Limit(), ask.QueryText("cursor", Limits.SettingLength));
        ask.Check();
        await FindAsync(name);
        var list = (await grains.GetPod(name).ListSourcesAsync(cursor, limit)).OrThrow();
        return Replies.Page(http, [.. list.Items.Select(s => new Wire.SourceResource { Path = s.Path, LengthBytes = s.Length, ModifiedAt = s.ModifiedAt })], list.NextCursor);
    }

    private async Task<IResult> CopiesAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("state", "limit", "cursor");
        var name = ask.Path<PodName>("pod");
        var query = new CatalogQuery(CatalogKind.Copy)
        {
            Pod = name.Value, Status = ask.QueryEnum<Wire.CopyState, CopyState>("state")?.ToString(), After = ask.Cursor(), Limit = ask.Limit(),
        };
        ask.Check();
        await FindAsync(name);
        var page = await catalog.ListAsync(query, ask.Stop);
        return Replies.Page(http, [.. page.Rows.Select(ToWire.Copy)], page.Next?.ToString());
    }

    private async Task<PodView> FindAsync(PodName name)
    {
        var view = await grains.GetPod(name).GetAsync();
        return view.Pod.Spec is null ? throw RequestProblem.Unknown("pod", name.Value) : view;
    }

    private async Task<IResult> ShowAsync(HttpContext http, PodName name, int status = StatusCodes.Status200OK)
    {
        var pod = ToWire.Pod(await FindAsync(name), time.GetUtcNow());
        return Replies.One(http, pod, pod.Etag, status);
    }

    private static Dictionary<string, string> Labels(Ask ask)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in ask.Http.Request.Query["label"])
        {
            var equals = text?.IndexOf('=', StringComparison.Ordinal) ?? -1;
            if (equals <= 0 || text!.Length > 2 * Limits.LabelLength || labels.Count >= Limits.Labels)
            {
                ask.Fault("label", "query.invalid", $"It must be KEY=VALUE, at most {Limits.Labels} times.");
                break;
            }

            labels[text[..equals]] = text[(equals + 1)..];
        }

        return labels;
    }

    private static void CheckSettings(Ask ask, string family, IReadOnlyDictionary<string, string> settings, IReadOnlyDictionary<string, string> labels, int slots)
    {
        if (family.Length is 0 or > Limits.LabelLength)
        {
            ask.Fault("family", "field.invalid", $"It must have 1 to {Limits.LabelLength} characters.");
        }

        if (slots is < 1 or > Limits.SlotsPerPod)
        {
            ask.Fault("slots", "field.invalid", $"It must be 1 to {Limits.SlotsPerPod}.");
        }

        CheckMap(ask, "settings", settings, Limits.PodSettings, Limits.SettingLength);
        CheckMap(ask, "labels", labels, Limits.Labels, Limits.LabelLength);
    }

    internal static void CheckMap(Ask ask, string field, IReadOnlyDictionary<string, string> map, int count, int length)
    {
        if (map.Count > count)
        {
            ask.Fault(field, "field.too-many", $"It has {map.Count} entries; at most {count} are kept.");
            return;
        }

        foreach (var (key, value) in map)
        {
            if (key.Length is 0 or > Limits.LabelLength || value.Length > length || key.Any(char.IsControl) || value.Any(char.IsControl))
            {
                ask.Fault($"{field}.{(key.Length > Limits.LabelLength ? key[..Limits.LabelLength] : key)}", "field.invalid",
                    $"A key has 1 to {Limits.LabelLength} characters, a value at most {length}, and none of them is a control character.");
            }
        }
    }
}
