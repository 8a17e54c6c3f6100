using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Streams of server-sent events about operations: one feed per operation, however many watch it. How many may watch is the locks' affair.</summary>
internal sealed class OperationFeeds(OperationReader operations, HttpOptions options, TimeProvider time, IHostApplicationLifetime lifetime, ILogger<OperationFeeds> log)
{
    private static readonly byte[] Alive = "event: alive\ndata: {}\n\n"u8.ToArray();

    private readonly ConcurrentDictionary<OperationId, OperationFeed> feeds = new();

    /// <summary>Writes events to the response until the operation ends, the client leaves or the server stops.</summary>
    public async Task StreamAsync(HttpContext http, OperationId id)
    {
        var feed = Join(id);
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
            await WriteAsync(http, feed, stop.Token);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested || lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // The client takes it up again with Last-Event-ID.
        }
        finally
        {
            if (feed.Leave())
            {
                feeds.TryRemove(new(id, feed));
                feed.Dispose();
            }
        }
    }

    private async Task WriteAsync(HttpContext http, OperationFeed feed, CancellationToken stop)
    {
        http.Response.ContentType = "text/event-stream; charset=utf-8";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers["X-Accel-Buffering"] = "no";
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        if (http.Features.Get<IHttpMetricsTagsFeature>() is { } metrics)
        {
            metrics.MetricsDisabled = true; // a stream lasts as long as its reader wants: that is no duration of an answer
        }

        await http.Response.StartAsync(stop);
        string? last = http.Request.Headers[Api.ApiHeaders.LastEventId];
        while (true)
        {
            var (events, changed) = feed.After(last);
            foreach (var one in events)
            {
                await http.Response.Body.WriteAsync(one.Bytes, stop);
                last = one.Id;
            }

            await http.Response.Body.FlushAsync(stop);
            if (events.Count > 0 && events[^1].IsEnd)
            {
                return;
            }

            try
            {
                await changed.WaitAsync(options.EventHeartbeat, time, stop);
            }
            catch (TimeoutException)
            {
                await http.Response.Body.WriteAsync(Alive, stop);
            }
        }
    }

    private OperationFeed Join(OperationId id)
    {
        while (true)
        {
            var feed = feeds.GetOrAdd(id, key => new OperationFeed(key, operations, time, log));
            if (feed.TryJoin())
            {
                return feed;
            }

            feeds.TryRemove(new(id, feed)); // it closed while it was found
        }
    }
}
