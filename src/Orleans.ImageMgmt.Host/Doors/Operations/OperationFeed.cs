using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>One event as it goes over the wire.</summary>
internal sealed record FeedEvent(string Id, string Text, bool IsEnd);

/// <summary>
/// What changes about one operation, while somebody watches. It looks at the operation in intervals, numbers what changed, and keeps the last
/// events. A watcher that comes back with an id of this feed gets what it missed; any other one gets the state of everything first: an event
/// always carries the whole thing as it is, so more of them do no harm.
/// </summary>
internal sealed class OperationFeed : IDisposable
{
    /// <summary>Events that are kept for those who come back.</summary>
    private const int KeptEvents = 2_048;

    /// <summary>Targets whose changes are told one by one; an operation with more tells sums only. A console folds far earlier.</summary>
    private const int ToldTargets = 1_000;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly OperationId id;
    private readonly OperationReader operations;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly Lock gate = new();
    private readonly Queue<(long Number, FeedEvent Event)> kept = new();
    private readonly Dictionary<string, Wire.TargetResource> targets = [];
    private readonly CancellationTokenSource closing = new();
    private readonly string epoch = Guid.NewGuid().ToString("N")[..12];
    private Wire.OperationResource? operation;
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long number;
    private int watchers;
    private bool isClosed;

    public OperationFeed(OperationId id, OperationReader operations, TimeProvider time, ILogger log) =>
        (this.id, this.operations, this.time, this.log) = (id, operations, time, log);

    /// <summary>False when it has closed; take a new one.</summary>
    public bool TryJoin()
    {
        lock (gate)
        {
            if (isClosed)
            {
                return false;
            }

            if (watchers++ == 0)
            {
                var stop = closing.Token;
                _ = Task.Run(() => RunAsync(stop));
            }

            return true;
        }
    }

    /// <summary>True when the last watcher has left: the feed is closed.</summary>
    public bool Leave()
    {
        lock (gate)
        {
            if (--watchers > 0)
            {
                return false;
            }

            isClosed = true;
            closing.Cancel();
            return true;
        }
    }

    /// <summary>The events after one, and a task that ends when there are more.</summary>
    public (IReadOnlyList<FeedEvent> Events, Task Changed) After(string? last)
    {
        lock (gate)
        {
            var oldest = kept.Count > 0 ? kept.Peek().Number : number + 1;
            return NumberOf(last) is { } seen && seen >= oldest - 1 && seen <= number
                ? ([.. kept.Where(e => e.Number > seen).Select(e => e.Event)], changed.Task)
                : (Everything(), changed.Task);
        }
    }

    public void Dispose() => closing.Dispose();

    private async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                // Beyond so many targets each look costs thousands of calls: only the sums are read.
                var snapshot = await operations.ReadAsync(id, withTargets: operation?.Targets?.All is null or <= ToldTargets, stop);
                if (snapshot is null || Take(snapshot))
                {
                    return;
                }
            }
            catch (Exception problem) when (!stop.IsCancellationRequested)
            {
                DoorLog.FeedFailed(log, id.Value, problem);
            }

            try
            {
                await Task.Delay(Interval, time, stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Whether the operation has ended.</summary>
    private bool Take(OperationSnapshot snapshot)
    {
        lock (gate)
        {
            var before = number;
            foreach (var target in snapshot.Targets.Where(t => !targets.TryGetValue(t.Pod, out var known) || !Same(known, t)))
            {
                targets[target.Pod] = target;
                Add(Wire.OperationEvent.TargetName, target);
            }

            if (operation is null || operation.Etag != snapshot.Operation.Etag)
            {
                operation = snapshot.Operation;
                Add(operation.IsEnded ? Wire.OperationEvent.EndName : Wire.OperationEvent.OperationName, operation);
            }

            if (number > before)
            {
                var told = changed;
                changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                told.SetResult();
            }

            isClosed |= operation.IsEnded; // a retry begins a new story, and a new feed
            return operation.IsEnded;
        }
    }

    private void Add<T>(string name, T body)
    {
        kept.Enqueue((++number, Event(number, name, body)));
        if (kept.Count > KeptEvents)
        {
            kept.Dequeue();
        }
    }

    /// <summary>Everything as it is now; the events share the newest number, so that a stream cut among them begins with everything again.</summary>
    private List<FeedEvent> Everything()
    {
        if (operation is null)
        {
            return []; // not looked yet
        }

        var last = operation.IsEnded ? Wire.OperationEvent.EndName : Wire.OperationEvent.OperationName;
        return [.. targets.Values.Select(t => Event(null, Wire.OperationEvent.TargetName, t)), Event(number, last, operation)];
    }

    private FeedEvent Event<T>(long? at, string name, T body)
    {
        var eventId = at is { } n ? string.Create(CultureInfo.InvariantCulture, $"{epoch}-{n}") : $"{epoch}-all";
        return new FeedEvent(eventId, $"id: {eventId}\nevent: {name}\ndata: {JsonSerializer.Serialize(body, Wire.ImageMgmtJson.Options)}\n\n", name == Wire.OperationEvent.EndName);
    }

    private long? NumberOf(string? last) => last is not null && last.StartsWith(epoch + "-", StringComparison.Ordinal)
        && long.TryParse(last.AsSpan(epoch.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var seen) ? seen : null;

    /// <summary>Rates change with the clock alone; they are no news.</summary>
    private static bool Same(Wire.TargetResource a, Wire.TargetResource b) => Still(a) == Still(b);

    private static Wire.TargetResource Still(Wire.TargetResource target) => target with
    {
        Progress = target.Progress is null ? null : target.Progress with { BytesPerSecond = 0, RemainingSeconds = null },
    };
}
