using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>A parameter that an endpoint reads by itself, for the API's description.</summary>
internal sealed record DoorParameter(string Name, string In, string Description, Type Type, bool IsRepeated = false, bool IsRequired = false);

/// <summary>Opens endpoints: one way for all of them, so that each has a name, a role and its refusals.</summary>
internal static class DoorRoutes
{
    public static RouteHandlerBuilder Door(
        this IEndpointRouteBuilder app, string method, string route, string name, string summary, string role, Func<HttpContext, Task<IResult>> handler)
    {
        var door = app.MapMethods(route, [method], (Delegate)handler).WithName(name).WithSummary(summary).WithTags(TagOf(route)).RequireAuthorization(role)
            .Refuses(StatusCodes.Status401Unauthorized, StatusCodes.Status403Forbidden, StatusCodes.Status422UnprocessableEntity);
        return route.Contains('{', StringComparison.Ordinal) ? door.Refuses(StatusCodes.Status404NotFound) : door;
    }

    /// <summary>With which statuses a problem document may come.</summary>
    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder door, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
        {
            door.Produces<Problem>(status, Problem.MediaType);
        }

        return door;
    }

    /// <summary>Takes a JSON body.</summary>
    public static RouteHandlerBuilder Takes<TBody>(this RouteHandlerBuilder door, bool isOptional = false) where TBody : notnull =>
        door.Accepts<TBody>(isOptional, "application/json").Refuses(StatusCodes.Status400BadRequest, StatusCodes.Status413PayloadTooLarge, StatusCodes.Status415UnsupportedMediaType);

    /// <summary>Answers 202 with the operation, and takes an idempotency key.</summary>
    public static RouteHandlerBuilder BeginsOperation(this RouteHandlerBuilder door) => door.Produces<OperationResource>(StatusCodes.Status202Accepted)
        .Refuses(StatusCodes.Status409Conflict, StatusCodes.Status429TooManyRequests)
        .Reads(new DoorParameter(ApiHeaders.IdempotencyKey, "header", "The operation's id, chosen by the caller: the same key and body again is the same operation.", typeof(string)));

    /// <summary>Is a change of a record, so that it heeds <c>If-Match</c>.</summary>
    public static RouteHandlerBuilder HeedsTag(this RouteHandlerBuilder door, string description = "Only when the record still has this ETag.") =>
        door.Refuses(StatusCodes.Status412PreconditionFailed).Reads(new DoorParameter("If-Match", "header", description, typeof(string)));

    /// <summary>Is a list in pages.</summary>
    public static RouteHandlerBuilder Pages(this RouteHandlerBuilder door) => door
        .Query("limit", $"Rows on this page, 1 to {PageRequest.MaxLimit}; {PageRequest.DefaultLimit} when absent.", typeof(int))
        .Query("cursor", "The nextCursor of the page before.", typeof(string));

    public static RouteHandlerBuilder Query(this RouteHandlerBuilder door, string name, string description, Type type, bool isRepeated = false) =>
        door.Reads(new DoorParameter(name, "query", description, type, isRepeated));

    public static RouteHandlerBuilder Reads(this RouteHandlerBuilder door, DoorParameter parameter) => door.WithMetadata(parameter);

    /// <summary>The first part of the path after the root: <c>pods</c>, <c>images</c>, <c>operations</c>.</summary>
    private static string TagOf(string route) => route[(Routes.Root.Length + 1)..].Split('/')[0];
}

/// <summary>Answers that all endpoints give alike.</summary>
internal static class Replies
{
    /// <summary>One resource with its tag; 304 when the caller has it already.</summary>
    public static IResult One<T>(HttpContext http, T resource, string? tag, int status = StatusCodes.Status200OK)
    {
        if (tag is not null)
        {
            var quoted = $"\"{tag}\"";
            http.Response.Headers.ETag = quoted;
            if (HttpMethods.IsGet(http.Request.Method) && http.Request.Headers.IfNoneMatch.Any(known => known == quoted))
            {
                return Results.StatusCode(StatusCodes.Status304NotModified);
            }
        }

        http.Response.Headers.CacheControl = "no-cache";
        return Results.Json(resource, ImageMgmtJson.Options, statusCode: status);
    }

    public static IResult Page<T>(HttpContext http, IReadOnlyList<T> items, string? next)
    {
        http.Response.Headers.CacheControl = "no-cache";
        return Results.Json(new Page<T> { Items = items, NextCursor = next }, ImageMgmtJson.Options);
    }
}
