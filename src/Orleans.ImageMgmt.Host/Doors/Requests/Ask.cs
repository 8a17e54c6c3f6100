using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>Reads one request, gathers what is wrong with it, and says it all at once in <see cref="Check"/>.</summary>
internal sealed class Ask(HttpContext http)
{
    private const int TagsLimit = 16;

    private readonly List<FieldFault> faults = [];

    public HttpContext Http => http;

    public CancellationToken Stop => http.RequestAborted;

    public void Fault(string field, string code, string message) => faults.Add(new FieldFault { Field = field, Code = code, Message = message });

    /// <exception cref="RequestProblem">Something was wrong.</exception>
    public void Check()
    {
        if (faults.Count > 0)
        {
            throw RequestProblem.Of(faults);
        }
    }

    /// <summary>Which query parameters this endpoint knows; another one is a mistake.</summary>
    public Ask Knows(params ReadOnlySpan<string> names)
    {
        foreach (var (name, values) in http.Request.Query)
        {
            if (!names.Contains(name))
            {
                Fault(name, "query.unknown", names.Length == 0 ? "No query parameter is known here." : $"It is unknown here; known are {string.Join(", ", names.ToArray())}.");
            }
            else if (values.Count > 1 && name != "label")
            {
                Fault(name, "query.doubled", "It is given more than once.");
            }
        }

        return this;
    }

    public T Path<T>(string name) where T : struct, IWord<T> => Word<T>(name, (string?)http.GetRouteValue(name)) ?? default;

    public VersionId VersionId() => new(Path<ImageName>("image"), Path<VersionName>("version"));

    /// <summary>A word of the domain from a text; null when there is none, or it is no such word.</summary>
    public T? Word<T>(string field, string? text) where T : struct, IWord<T>
    {
        if (text is null)
        {
            return null;
        }

        if (T.TryCreate(text, out var word))
        {
            return word;
        }

        Fault(field, "field.invalid", $"It must be {T.Rule}.");
        return null;
    }

    public string? Query(string name) => http.Request.Query.TryGetValue(name, out var values) && values.Count > 0 ? values[0] : null;

    public T? QueryWord<T>(string name) where T : struct, IWord<T> => Word<T>(name, Query(name));

    public string? QueryText(string name, int limit)
    {
        var text = Query(name);
        if (text?.Length > limit)
        {
            Fault(name, "query.too-long", $"It has more than {limit} characters.");
        }

        return text;
    }

    /// <summary>A word of an enumeration of the wire, as the domain's own.</summary>
    public TDomain? QueryEnum<TWire, TDomain>(string name) where TWire : struct, Enum where TDomain : struct, Enum
    {
        var text = Query(name);
        if (text is null)
        {
            return null;
        }

        foreach (var known in Enum.GetValues<TWire>())
        {
            if (JsonNamingPolicy.CamelCase.ConvertName(known.ToString()) == text)
            {
                return Wording.To<TDomain>(known);
            }
        }

        Fault(name, "query.invalid", $"It must be one of {string.Join(", ", Enum.GetNames<TWire>().Select(JsonNamingPolicy.CamelCase.ConvertName))}.");
        return null;
    }

    /// <summary>Whether the list is asked from its end.</summary>
    public bool Descending(string ascending)
    {
        var sort = Query("sort");
        if (sort is not null && sort != ascending && sort != "-" + ascending)
        {
            Fault("sort", "query.invalid", $"It must be {ascending} or -{ascending}.");
        }

        return sort == "-" + ascending;
    }

    public int Limit()
    {
        var text = Query("limit");
        if (text is null)
        {
            return PageRequest.DefaultLimit;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= PageRequest.MaxLimit)
        {
            return limit;
        }

        Fault("limit", "query.invalid", $"It must be a whole number from 1 to {PageRequest.MaxLimit}.");
        return 1;
    }

    public CatalogCursor? Cursor()
    {
        var text = Query("cursor");
        if (text is null)
        {
            return null;
        }

        if (CatalogCursor.TryParse(text, out var cursor))
        {
            return cursor;
        }

        BadCursor();
        return null;
    }

    /// <summary>A cursor of a list that is paged by number.</summary>
    public long? NumberCursor()
    {
        var text = Query("cursor");
        if (text is null || (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 0))
        {
            return text is null ? null : long.Parse(text, CultureInfo.InvariantCulture);
        }

        BadCursor();
        return null;
    }

    /// <summary>A cursor of a list that is paged by name.</summary>
    public T? WordCursor<T>() where T : struct, IWord<T>
    {
        var text = Query("cursor");
        if (text is not null && !T.TryCreate(text, out _))
        {
            BadCursor();
        }

        return text is not null && T.TryCreate(text, out var word) ? word : null;
    }

    public async Task<T> BodyAsync<T>(bool mayBeEmpty = false) where T : class
    {
        var body = await StrictBody.ReadAsync<T>(http, faults, mayBeEmpty);
        if (body is null)
        {
            Check();
        }

        return body!;
    }

    /// <summary>Who asks and why; the reason is checked.</summary>
    public RequestedBy By(string? reason)
    {
        if (reason?.Length > Limits.DescriptionLength)
        {
            Fault("reason", "field.too-long", $"It has {reason.Length} characters; at most {Limits.DescriptionLength} are kept.");
        }

        return RequestContext.By(http, reason);
    }

    /// <summary>What the caller has seen and wants unchanged, from <c>If-Match</c> and <c>If-None-Match</c>.</summary>
    public Precondition? Precondition()
    {
        var match = http.Request.Headers.IfMatch;
        var none = http.Request.Headers.IfNoneMatch;
        if (match.Count == 0 && none.Count == 0)
        {
            return null;
        }

        if (none.Count > 0 && (none.Count > 1 || none[0] != "*"))
        {
            Fault("If-None-Match", "header.invalid", "On a change it can only be *.");
        }

        if (match.Count == 0)
        {
            return new Precondition(null, MustBeNew: true);
        }

        List<string> tags = [.. match.SelectMany(m => (m ?? "").Split(',')).Select(t => t.Trim()).Take(TagsLimit)];
        foreach (var tag in tags.Where(t => t != "*" && t is not ['"', .., '"']))
        {
            Fault("If-Match", "header.invalid", $"{(tag.StartsWith("W/", StringComparison.Ordinal) ? "A weak tag" : "This")} cannot be compared: send the ETag as it was given, in quotes.");
        }

        return new Precondition([.. tags.Select(t => t.Trim('"'))], none.Count > 0);
    }

    /// <summary>The operation's id: the caller's idempotency key, or one made here.</summary>
    public (OperationId Id, bool IsChosen) Operation()
    {
        var key = http.Request.Headers[ApiHeaders.IdempotencyKey];
        if (key.Count == 0)
        {
            return (new OperationId(ImageMgmtHttpClient.NewOperationId()), false);
        }

        if (key.Count == 1 && OperationId.TryCreate(key[0], out var id))
        {
            return (id, true);
        }

        Fault(ApiHeaders.IdempotencyKey, "header.invalid", $"It must be {OperationId.Rule}.");
        return (default, true);
    }

    private void BadCursor() => Fault("cursor", "query.invalid", "It is no cursor of this list: send nextCursor of the page before as it was given.");
}
