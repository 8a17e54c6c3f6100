using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Operations and the activity log over HTTP.</summary>
internal sealed class OperationDoors(IGrainFactory grains, CatalogReader catalog, OperationReader operations, OperationFeeds feeds)
{
    public void Map(IEndpointRouteBuilder app)
    {
        app.Door("GET", Wire.Routes.Operations, "ListOperations", "Lists operations, newest first.", Roles.Viewer, ListAsync).Produces<Wire.Page<Wire.OperationResource>>()
            .Query("state", "Only operations in this state.", typeof(Wire.OperationState)).Query("kind", "Only operations of this kind.", typeof(Wire.OperationKind))
            .Query("image", "Only operations about this image.", typeof(string)).Query("sort", "createdAt or -createdAt; the second when absent.", typeof(string)).Pages();
        app.Door("GET", Wire.Routes.Operation, "GetOperation", "Shows an operation: state, targets in numbers, bytes, rate, remaining time.", Roles.Viewer, GetAsync).Produces<Wire.OperationResource>();
        app.Door("GET", Wire.Routes.OperationTargets, "ListTargets", "Lists an operation's targets with the progress of each.", Roles.Viewer, TargetsAsync).Produces<Wire.Page<Wire.TargetResource>>().Pages();
        Verb(app, Wire.Routes.OperationCancel, "CancelOperation", "Stops what has not finished; keeps copies that are available.", CancelAsync).Takes<Wire.ActionRequest>(isOptional: true);
        Verb(app, Wire.Routes.OperationPause, "PauseOperation", "Stops what runs at its next chunk and begins nothing new until it is resumed; what is staged stays.", PauseAsync).Takes<Wire.ActionRequest>(isOptional: true);
        Verb(app, Wire.Routes.OperationResume, "ResumeOperation", "Goes on with a paused operation, from what is staged.", ResumeAsync).Takes<Wire.ActionRequest>(isOptional: true);
        Verb(app, Wire.Routes.OperationRetry, "RetryOperation", "Tries again what failed: everything, or one pod.", RetryAsync).Takes<Wire.RetryRequest>(isOptional: true);
        app.Door("GET", Wire.Routes.OperationEvents, "WatchOperation", "Streams what changes about an operation as server-sent events, to its end.", Roles.Viewer, EventsAsync)
            .WithDescription("Events are named operation (as it is now), target (one target as it is now) and end (the operation as it ended). " + string.Create(CultureInfo.InvariantCulture,
                $"An operation with more than {OperationFeed.ToldTargets} targets tells its sums only, and no target events: list its targets for the progress of each."))
            .Produces<string>(StatusCodes.Status200OK, EventStream.MediaType).Refuses(StatusCodes.Status429TooManyRequests).WithMetadata(EventStream.Marker)
            .Reads(new DoorParameter(Wire.ApiHeaders.LastEventId, "header", "The last event that was seen: the stream goes on after it.", typeof(string)));
        app.Door("GET", Wire.Routes.Activity, "ListActivity", "Lists the activity log, newest first: who, what, when, from where, why.", Roles.Viewer, ActivityAsync)
            .Produces<Wire.Page<Wire.ActivityResource>>().Query("image", "Only lines about this image.", typeof(string))
            .Query("pod", "Only lines about this pod.", typeof(string)).Query("operation", "Only lines about this operation.", typeof(string)).Pages();
    }

    private static RouteHandlerBuilder Verb(IEndpointRouteBuilder app, string route, string name, string summary, Func<HttpContext, Task<IResult>> handler) =>
        app.Door("POST", route, name, summary, Roles.Operator, handler).Produces<Wire.OperationResource>(StatusCodes.Status202Accepted).Refuses(StatusCodes.Status409Conflict)
            .HeedsTag("Only when the operation still stands as it did when this ETag was given: state, faults, what it allows. Bytes that moved and copies that became available since do not count.");

    private async Task<IResult> ListAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("state", "kind", "image", "sort", "limit", "cursor");
        var query = new CatalogQuery(CatalogKind.Operation)
        {
            Status = ask.QueryEnum<Wire.OperationState, OperationState>("state")?.ToString(),
            OperationKind = ask.QueryEnum<Wire.OperationKind, Wire.OperationKind>("kind") is { } kind ? Wording.Camel(kind) : null,
            Image = ask.QueryWord<ImageName>("image")?.Value,
            Descending = ask.Query("sort") is null || ask.Descending("createdAt"),
            After = ask.Cursor(),
            Limit = ask.Limit(),
        };
        ask.Check();
        var page = await catalog.ListAsync(query, ask.Stop);
        return Replies.Page(http, [.. page.Rows.Select(OperationReader.Row)], page.Next?.ToString());
    }

    private async Task<IResult> GetAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var id = ask.Path<OperationId>("operation");
        ask.Check();
        var operation = await operations.GetAsync(id, ask.Stop);
        return Replies.One(http, operation, operation.Etag);
    }

    private async Task<IResult> TargetsAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("limit", "cursor");
        var (id, limit, from) = (ask.Path<OperationId>("operation"), ask.Limit(), ask.NumberCursor());
        ask.Check();
        var (items, next) = await operations.TargetsAsync(id, from ?? 0, limit, ask.Stop);
        return Replies.Page(http, items, next?.ToString(CultureInfo.InvariantCulture));
    }

    private Task<IResult> CancelAsync(HttpContext http) => VerbAsync<Wire.ActionRequest>(http, body => body.Reason, Wire.OperationVerb.Cancel, async (operation, by, _) =>
    {
        if (operation is { Kind: OperationBody.Import, Version: { } version })
        {
            (await grains.GetVersion(version).CancelImportAsync(operation.Operation, by)).OrThrow();
        }
        else
        {
            (await grains.GetPublish(operation.Operation).CancelAsync(by)).OrThrow();
        }
    });

    private Task<IResult> PauseAsync(HttpContext http) => VerbAsync<Wire.ActionRequest>(http, body => body.Reason, Wire.OperationVerb.Pause,
        async (operation, by, _) => (await grains.GetPublish(operation.Operation).PauseAsync(by)).OrThrow());

    private Task<IResult> ResumeAsync(HttpContext http) => VerbAsync<Wire.ActionRequest>(http, body => body.Reason, Wire.OperationVerb.Resume,
        async (operation, by, _) => (await grains.GetPublish(operation.Operation).ResumeAsync(by)).OrThrow());

    private Task<IResult> RetryAsync(HttpContext http) => VerbAsync<Wire.RetryRequest>(http, body => body.Reason, Wire.OperationVerb.Retry, async (operation, by, body) =>
    {
        if (operation is { Kind: OperationBody.Import, Version: { } version })
        {
            (await grains.GetVersion(version).RetryImportAsync(operation.Operation, by)).OrThrow();
        }
        else
        {
            (await grains.GetPublish(operation.Operation).RetryAsync(by, body.Pod is null ? null : new PodName(body.Pod))).OrThrow();
        }
    });

    private async Task<IResult> VerbAsync<TBody>(HttpContext http, Func<TBody, string?> reason, Wire.OperationVerb verb, Func<OperationBody, RequestedBy, TBody, Task> act) where TBody : class
    {
        var ask = new Ask(http).Knows();
        var id = ask.Path<OperationId>("operation");
        var body = await ask.BodyAsync<TBody>(mayBeEmpty: true);
        var (by, precondition) = (ask.By(reason(body)), ask.Precondition());
        if (body is Wire.RetryRequest { Pod: { } pod })
        {
            ask.Word<PodName>("pod", pod);
        }

        ask.Check();
        var known = await operations.BodyAsync(id, ask.Stop);
        if (precondition is not null)
        {
            await CheckAsync(id, precondition, ask.Stop);
        }

        if (known.Kind != OperationBody.Publish)
        {
            // A publish says itself what it allows; an import or a delete that has ended would just do nothing.
            var now = await operations.GetAsync(id, ask.Stop);
            if (now.Allows?.Contains(verb) != true)
            {
                throw RequestProblem.Of(new Refusal("operation.not-now", $"Operation {id} is the {known.Kind} of {known.Subject}, it is {Wording.Camel(now.State)}, and {Wording.Camel(verb)} is not possible.",
                    "Look at what the operation allows."));
            }
        }

        await act(known, by, body);
        var operation = await operations.GetAsync(id, ask.Stop);
        http.Response.Headers.Location = Wire.Routes.Fill(Wire.Routes.Operation, id.Value);
        return Replies.One(http, operation, operation.Etag, StatusCodes.Status202Accepted);
    }

    /// <summary>Compared before the verb is carried out, and not in one step with it: an operation is the sum of many records. What happens in between
    /// is judged by the operation itself, which refuses a verb that does not fit its state.</summary>
    private async Task CheckAsync(OperationId id, Precondition wanted, CancellationToken stop)
    {
        var standing = OperationReader.StandingOf((await operations.GetAsync(id, stop)).Etag!);
        if (Precondition.Check(wanted with { Tags = wanted.Tags?.Select(OperationReader.StandingOf).ToList() }, standing, $"Operation {id}") is { } no)
        {
            throw RequestProblem.Of(no);
        }
    }

    private async Task<IResult> EventsAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var id = ask.Path<OperationId>("operation");
        ask.Check();
        await operations.BodyAsync(id, ask.Stop);
        await feeds.StreamAsync(http, id);
        return Results.Empty;
    }

    private async Task<IResult> ActivityAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("image", "pod", "operation", "limit", "cursor");
        var limit = ask.Limit();
        var query = new ActivityQuery
        {
            Image = ask.QueryWord<ImageName>("image")?.Value,
            Pod = ask.QueryWord<PodName>("pod")?.Value,
            Operation = ask.QueryWord<OperationId>("operation")?.Value,
            Before = ask.NumberCursor(),
            Limit = limit,
        };
        ask.Check();
        var rows = await catalog.ListActivityAsync(query, ask.Stop);
        return Replies.Page(http, [.. rows.Select(ToWire.Activity)],
            rows.Count == limit ? rows[^1].Number.ToString(CultureInfo.InvariantCulture) : null);
    }
}
