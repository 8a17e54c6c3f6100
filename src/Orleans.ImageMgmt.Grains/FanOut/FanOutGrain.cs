using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// The tracker of one fan-out: a version and a generation. It lives in memory alone: who holds a final copy is read from the catalog, and who is
/// receiving says so with every report.
/// </summary>
/// <remarks>A question for which there is no piece now is held back until there is one, at most <see cref="Hold"/>: nobody's turn waits, for the
/// grain is reentrant, and thousands of waiting pods cost a question each in that time.</remarks>
[GrainType("fan-out"), Reentrant]
internal sealed class FanOutGrain(CatalogReader catalog, Reporter reporter, TransferCounters counters, TimeProvider time, ILogger<FanOutGrain> log) : Grain, IFanOutGrain
{
    /// <summary>Longest time for which a question is held back: well below the time-out of a call.</summary>
    private static readonly TimeSpan Hold = TimeSpan.FromSeconds(5);

    /// <summary>A receiver that said nothing for so long is gone: it is heard of at least every <see cref="Hold"/>, and of each piece that is late.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    private readonly Dictionary<PodName, int> numbers = [];
    private readonly List<PodName> names = [];
    private readonly Dictionary<int, List<FanOutOrder>> undelivered = [];
    private readonly Dictionary<int, TaskCompletionSource> waiting = [];
    private readonly Dictionary<int, long> receiving = []; // when each was heard
    private Swarm? swarm;
    private Task<Swarm>? loading;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        this.RegisterGrainTimer(_ => SweepAsync(), new GrainTimerCreationOptions(Silence / 4, Silence / 4));
        return Task.CompletedTask;
    }

    public async Task<IReadOnlyList<FanOutOrder>?> TellAsync(FanOutReport report)
    {
        swarm ??= await (loading ??= LoadAsync(report));
        if (report.Pieces != swarm.Pieces || PieceSet.TryFrom(report.Held, report.Pieces) is not { } held)
        {
            FanOutLog.OtherPieces(log, report.Pod.Value, report.Pieces, swarm.Pieces);
            return null;
        }

        var pod = NumberOf(report.Pod, new SwarmPlace(report.Region, report.Site), report.Gives);
        Take(swarm, pod, report, held);
        Deliver(swarm);
        if (report.Wanted == 0)
        {
            return Again(pod, report);
        }

        if (!undelivered.ContainsKey(pod))
        {
            await HoldAsync(pod);
        }

        return undelivered.Remove(pod, out var orders) ? orders : [];
    }

    private void Take(Swarm swarm, int pod, FanOutReport report, PieceSet held)
    {
        receiving[pod] = time.GetTimestamp();
        foreach (var (piece, seconds) in report.Arrived.Where(a => IsPiece(a.Key)))
        {
            swarm.Arrived(pod, piece, seconds);
        }

        swarm.Holds(pod, held);
        swarm.Fills(pod, report.Filling is { } filling ? PieceSet.TryFrom(filling, report.Pieces) : null); // after what it holds, or that would be named to it
        if (report.Liar is { } liar && numbers.TryGetValue(liar, out var source))
        {
            Accuse(swarm, pod, source, report);
        }

        foreach (var piece in report.Failed.Where(IsPiece))
        {
            swarm.Failed(pod, piece);
        }

        foreach (var (piece, seconds) in report.Late.Where(l => IsPiece(l.Key)))
        {
            swarm.Late(pod, piece, seconds);
        }

        if (report.IsLeaving || held.IsFull)
        {
            receiving.Remove(pod);
            undelivered.Remove(pod);
        }

        if (report.IsLeaving)
        {
            swarm.Leaves(pod);
        }
        else if (report.Wanted > 0 && !undelivered.ContainsKey(pod))
        {
            swarm.Wants(pod, report.Wanted);
        }
    }

    private bool IsPiece(int piece) => piece >= 0 && piece < swarm!.Pieces;

    private void Accuse(Swarm swarm, int pod, int source, FanOutReport report)
    {
        var liar = names[source];
        var isAside = swarm.Lied(pod, source);
        counters.ChunkWasWrong(isAside);
        FanOutLog.Lied(log, liar.Value, report.LieChunk, this.GetPrimaryKeyString(), report.Pod.Value, isAside);
        if (isAside)
        {
            var accused = GrainFactory.GetPod(liar);
            var what = $"Pod {liar} sent wrong bytes of {Version} (chunk {report.LieChunk}) to pod {report.Pod}; it gives no more of it in this publish";
            reporter.Send(liar.Value, () => accused.NoteAsync(Activity.Service, "copy.peer-set-aside", what));
        }
    }

    private VersionId Version => GrainKeys.FanOutOf(this.GetPrimaryKeyString()).Version;

    /// <summary>Orders for pieces that this report was about; others wait for the question that wants them.</summary>
    private List<FanOutOrder> Again(int pod, FanOutReport report)
    {
        if (!undelivered.TryGetValue(pod, out var orders))
        {
            return [];
        }

        var again = orders.Where(o => report.Failed.Contains(o.Piece) || report.Late.ContainsKey(o.Piece)).ToList();
        orders.RemoveAll(again.Contains);
        if (orders.Count == 0)
        {
            undelivered.Remove(pod);
        }

        return again;
    }

    private async Task HoldAsync(int pod)
    {
        if (waiting.Remove(pod, out var older))
        {
            older.TrySetResult(); // one question of a pod at a time
        }

        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[pod] = answer;
        await Task.WhenAny(answer.Task, Task.Delay(Hold, time));
        if (waiting.GetValueOrDefault(pod) == answer)
        {
            waiting.Remove(pod);
        }
    }

    private void Deliver(Swarm swarm)
    {
        foreach (var grant in swarm.TakeGrants())
        {
            if (!undelivered.TryGetValue(grant.Receiver, out var orders))
            {
                undelivered[grant.Receiver] = orders = [];
            }

            orders.Add(new FanOutOrder(grant.Piece, names[grant.Source], grant.Source == 0));
            if (waiting.Remove(grant.Receiver, out var answer))
            {
                answer.TrySetResult();
            }
        }
    }

    private Task SweepAsync()
    {
        foreach (var (pod, heard) in receiving.ToList())
        {
            if (swarm is not null && !waiting.ContainsKey(pod) && time.GetElapsedTime(heard) > Silence)
            {
                receiving.Remove(pod);
                undelivered.Remove(pod);
                swarm.Leaves(pod);
                Deliver(swarm);
            }
        }

        return Task.CompletedTask;
    }

    private int NumberOf(PodName pod, SwarmPlace place, bool gives)
    {
        if (!numbers.TryGetValue(pod, out var number))
        {
            numbers[pod] = number = swarm!.Join(place, isOrigin: false, gives);
            names.Add(pod);
        }

        return number;
    }

    /// <summary>The source pod first, then those that hold a final copy.</summary>
    private async Task<Swarm> LoadAsync(FanOutReport first)
    {
        var holders = new HashSet<PodName>();
        await foreach (var copy in catalog.AvailableCopiesAsync(Version, CancellationToken.None))
        {
            holders.Add(copy);
        }

        holders.Remove(first.Origin);
        var places = new Dictionary<PodName, SwarmPlace>();
        await foreach (var row in catalog.AllAsync(CatalogKind.Pod, CancellationToken.None))
        {
            var body = row.Read<PodBody>();
            places[body.Name] = SwarmPlace.Of(body.Labels);
        }

        var made = new Swarm(first.Pieces, Seed(), SwarmLimits.Default);
        names.Add(first.Origin);
        numbers[first.Origin] = made.Join(places.GetValueOrDefault(first.Origin, SwarmPlace.Nowhere), isOrigin: true);
        var all = new PieceSet(first.Pieces);
        all.Fill();
        foreach (var pod in holders.Order(Comparer<PodName>.Create((a, b) => string.CompareOrdinal(a.Value, b.Value))))
        {
            names.Add(pod);
            numbers[pod] = made.Join(places.GetValueOrDefault(pod, SwarmPlace.Nowhere), isOrigin: false);
            made.Holds(numbers[pod], all);
        }

        return made;
    }

    /// <summary>Different for different publishes, so that not the same pods are first each time; the same after a restart.</summary>
    private ulong Seed() => this.GetPrimaryKeyString().Aggregate(14695981039346656037UL, (hash, c) => (hash ^ c) * 1099511628211UL);
}

internal static partial class FanOutLog
{
    [LoggerMessage(EventId = 210, Level = LogLevel.Warning, Message = "Pod {Liar} sent a wrong chunk {Chunk} of {FanOut} to pod {Pod}; set aside: {IsAside}")]
    internal static partial void Lied(ILogger logger, string liar, int chunk, string fanOut, string pod, bool isAside);

    [LoggerMessage(EventId = 211, Level = LogLevel.Warning, Message = "Pod {Pod} cuts the content into {Pieces} pieces, the tracker into {Known}: it gets all from the source pod")]
    internal static partial void OtherPieces(ILogger logger, string pod, int pieces, int known);
}
