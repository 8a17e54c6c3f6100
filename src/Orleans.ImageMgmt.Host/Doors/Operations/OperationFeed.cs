using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>One event as it goes over the wire; the same bytes for everybody who watches.</summary>
internal sealed record FeedEvent(string Id, ReadOnlyMemory<byte> Bytes, bool IsEnd);

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
    public const int ToldTargets = 1_000;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly OperationId id;
    private readonly OperationReader operations;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly Lock gate = new();
    private readonly FeedEvent[] kept = new FeedEvent[KeptEvents]; // event n lies at n modulo the length
    private readonly Dictionary<string, Wire.TargetResource> targets = [];
    private readonly CancellationTokenSource closing = new();
    private readonly string epoch = Guid.NewGuid().ToString("N")[..12];
    private Wire.OperationResource? operation;
    private (long Number, IReadOnlyList<FeedEvent> Events)? everything;
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
            return NumberOf(last) is { } seen && seen >= number - KeptEvents && seen <= number
                ? (Since(seen), changed.Task)
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
                // Beyond so many targets each look costs thousands of calls: only the sums are read. The first look finds out how many there are.
                var all = (operation ?? await operations.FindAsync(id, stop))?.Targets?.All;
                var snapshot = await operations.ReadAsync(id, withTargets: all is null or <= ToldTargets, stop);
                if (snapshot is null || Take(snapshot))
                {
                    return;
                }
            }
            catch (Exception problem) when (!stop.IsCancellationRequested)
            {
                // Whatever it is: nobody awaits this loop, and those who watch must not hang on a feed that has died. It looks again.
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
            if (snapshot.Operation.Targets?.All > ToldTargets)
            {
                targets.Clear(); // it grew beyond: what was told of single ones is old
            }

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
        number++;
        kept[number % KeptEvents] = Event(number, name, body);
    }

    private FeedEvent[] Since(long seen)
    {
        var events = new FeedEvent[number - seen];
        for (var at = 0; at < events.Length; at++)
        {
            events[at] = kept[(seen + 1 + at) % KeptEvents];
        }

        return events;
    }

    /// <summary>Everything as it is now, made once however many come; the events share the newest number, so that a stream cut among them begins
    /// with everything again.</summary>
    private IReadOnlyList<FeedEvent> Everything()
    {
        if (operation is null)
        {
            return []; // not looked yet
        }

        if (everything?.Number != number)
        {
            var last = operation.IsEnded ? Wire.OperationEvent.EndName : Wire.OperationEvent.OperationName;
            everything = (number, [.. targets.Values.Select(t => Event(null, Wire.OperationEvent.TargetName, t)), Event(number, last, operation)]);
        }

        return everything.Value.Events;
    }

    private FeedEvent Event<T>(long? at, string name, T body)
    {
        var eventId = at is { } n ? string.Create(CultureInfo.InvariantCulture, $"{epoch}-{n}") : $"{epoch}-all";
        var text = $"id: {eventId}\nevent: {name}\ndata: {JsonSerializer.Serialize(body, Wire.ImageMgmtJson.Options)}\n\n";
        return new FeedEvent(eventId, Encoding.UTF8.GetBytes(text), name == Wire.OperationEvent.EndName);
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
