using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Marks an endpoint whose answer is an event stream: it is counted apart from requests that end.</summary>
internal sealed class EventStream
{
    public static EventStream Marker { get; } = new();

    public const string MediaType = "text/event-stream";

    /// <summary>The endpoint decides, never a header: else any request could step out of the number of requests at once.</summary>
    public static bool IsOne(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<EventStream>() is not null;
}

/// <summary>Requests that change something are counted apart: when too many come at once, reads still have room.</summary>
internal static class Change
{
    /// <summary>Sending a piece of an upload takes as long as its bytes do, and has limits of its own: a number for each pod.</summary>
    public static bool IsOne(HttpContext context) =>
        !HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method) && !HttpMethods.IsOptions(context.Request.Method)
        && context.GetEndpoint()?.Metadata.GetMetadata<BodyLimit>() is not { MaxRequestBodySize: null };

    public static Task RefuseAsync(HttpContext context, string message) => Answers.WriteAsync(context, StatusCodes.Status429TooManyRequests, "Too many changes at once",
        new Refusal("limit.changes", message, "Wait as long as Retry-After says; nothing was changed by this request."), TimeSpan.FromSeconds(1));
}

/// <summary>How much one address and everybody together may ask. Stands before anybody looks at a token.</summary>
internal sealed class CrowdGate(RequestDelegate next, HttpOptions http) : IDisposable
{
    private readonly PartitionedRateLimiter<HttpContext> addresses = Rates.Make<IPAddress>(
        context => Network(context.Connection.RemoteIpAddress), http.RequestsPerSecondPerAddress, http.BurstSeconds);

    private int inside;
    private int changing;

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Request.Path == Api.Routes.Liveness)
        {
            await next(context); // a watchdog must not take a busy server for a dead one
            return;
        }

        using var lease = addresses.AttemptAcquire(context);
        if (!lease.IsAcquired)
        {
            await Rates.RefuseAsync(context, "address", http.RequestsPerSecondPerAddress);
            return;
        }

        if (EventStream.IsOne(context))
        {
            await next(context);
            return;
        }

        var isChange = Change.IsOne(context);
        try
        {
            if ((isChange ? Interlocked.Increment(ref changing) : 0) > http.ConcurrentChanges)
            {
                await Change.RefuseAsync(context, $"{http.ConcurrentChanges} changes are being carried out.");
            }
            else
            {
                await EnterAsync(context);
            }
        }
        finally
        {
            if (isChange)
            {
                Interlocked.Decrement(ref changing);
            }
        }
    }

    public void Dispose() => addresses.Dispose();

    private async Task EnterAsync(HttpContext context)
    {
        try
        {
            if (Interlocked.Increment(ref inside) > http.ConcurrentRequests)
            {
                await Answers.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "The server is busy",
                    new Refusal("server.busy", $"{http.ConcurrentRequests} requests are being carried out.", "Try again in a moment."), TimeSpan.FromSeconds(1));
                return;
            }

            await next(context);
        }
        finally
        {
            Interlocked.Decrement(ref inside);
        }
    }

    /// <summary>Who has one address of an IPv6 network has 2^64 of them.</summary>
    private static IPAddress Network(IPAddress? address)
    {
        if (address is null)
        {
            return IPAddress.None;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }
}

/// <summary>How much one token may ask, and how many event streams may be open. Stands behind the authorization.</summary>
internal sealed class TokenGate(RequestDelegate next, HttpOptions http) : IDisposable
{
    private readonly PartitionedRateLimiter<HttpContext> tokens = Rates.Make<string>(
        context => context.User.Identity!.Name!, http.RequestsPerSecondPerToken, http.BurstSeconds);

    private readonly ConcurrentDictionary<string, int> streamsOf = new(); // no more entries than tokens with an open stream
    private readonly ConcurrentDictionary<string, int> changesOf = new(); // no more entries than tokens with a change under way
    private int streams;

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.User.Identity is not { IsAuthenticated: true, Name: { } name })
        {
            await next(context); // an endpoint that asks nobody
            return;
        }

        using var lease = tokens.AttemptAcquire(context);
        if (!lease.IsAcquired)
        {
            await Rates.RefuseAsync(context, "token", http.RequestsPerSecondPerToken);
        }
        else if (EventStream.IsOne(context))
        {
            await StreamAsync(context, name);
        }
        else if (Change.IsOne(context))
        {
            await ChangeAsync(context, name);
        }
        else
        {
            await next(context);
        }
    }

    public void Dispose() => tokens.Dispose();

    private async Task StreamAsync(HttpContext context, string name)
    {
        var (all, own) = (Interlocked.Increment(ref streams), streamsOf.AddOrUpdate(name, 1, (_, n) => n + 1));
        try
        {
            if (own > http.EventStreamsPerToken)
            {
                await Answers.WriteAsync(context, StatusCodes.Status429TooManyRequests, "Too many event streams",
                    new Refusal("limit.event-streams", $"Token {name} has {http.EventStreamsPerToken} event streams open.", "Close one that is not needed; one stream is enough for one operation."), TimeSpan.FromSeconds(5));
            }
            else if (all > http.EventStreams)
            {
                await Answers.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "The server is busy",
                    new Refusal("server.busy", $"{http.EventStreams} event streams are open.", "Try again later, or ask for the operation from time to time."), TimeSpan.FromSeconds(5));
            }
            else
            {
                await next(context);
            }
        }
        finally
        {
            Interlocked.Decrement(ref streams);
            Leave(streamsOf, name);
        }
    }

    private async Task ChangeAsync(HttpContext context, string name)
    {
        try
        {
            if (changesOf.AddOrUpdate(name, 1, (_, n) => n + 1) > http.ConcurrentChangesPerToken)
            {
                await Change.RefuseAsync(context, $"Token {name} has {http.ConcurrentChangesPerToken} changes under way.");
            }
            else
            {
                await next(context);
            }
        }
        finally
        {
            Leave(changesOf, name);
        }
    }

    private static void Leave(ConcurrentDictionary<string, int> counts, string name)
    {
        if (counts.AddOrUpdate(name, 0, (_, n) => n - 1) == 0)
        {
            counts.TryRemove(KeyValuePair.Create(name, 0));
        }
    }
}

internal static class Rates
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    public static PartitionedRateLimiter<HttpContext> Make<TKey>(Func<HttpContext, TKey> keyOf, int perSecond, int burstSeconds) where TKey : notnull =>
        PartitionedRateLimiter.Create<HttpContext, TKey>(context => RateLimitPartition.GetTokenBucketLimiter(keyOf(context), _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = perSecond * burstSeconds,
            TokensPerPeriod = perSecond >= 5 ? perSecond / 5 : 1,
            ReplenishmentPeriod = perSecond >= 5 ? Period : TimeSpan.FromSeconds(1) / perSecond,
            QueueLimit = 0,
        }));

    public static Task RefuseAsync(HttpContext context, string who, int perSecond) => Answers.WriteAsync(context, StatusCodes.Status429TooManyRequests, "Too many requests",
        new Refusal("limit.rate", $"More than {perSecond} requests a second come from one {who}.", "Wait as long as Retry-After says, and ask less often."), TimeSpan.FromSeconds(1));
}
