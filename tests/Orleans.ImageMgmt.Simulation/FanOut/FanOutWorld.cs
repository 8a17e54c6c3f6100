using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Simulation;

/// <summary>One publish to simulate.</summary>
/// <param name="Pods">How many pods want the image.</param>
/// <param name="Pieces">In how many pieces it is.</param>
/// <param name="Seed">Of the planner and of which pods are slow.</param>
internal sealed record FanOutOptions(int Pods, int Pieces, ulong Seed)
{
    /// <summary>Part of the pods that give at <see cref="SlowRate"/>.</summary>
    public double Slow { get; init; }

    /// <summary>A slow pod's uplink; everybody else's links, the source's too, are 1: a piece a second, both ways.</summary>
    public double SlowRate { get; init; } = 0.1;

    /// <summary>Pods that are gone for good after half of the bound's time; they take no piece any more and are not waited for.</summary>
    public double Dying { get; init; }

    /// <summary>Pods in one site; 0: no labels. Four sites are a region.</summary>
    public int PodsPerSite { get; init; }

    /// <summary>Seconds until the tracker knows what a pod knows, and until a pod knows what the tracker says.</summary>
    public double Delay { get; init; } = 0.05;

    /// <summary>A pod says that a piece is late after so many times what it usually takes.</summary>
    public double LateAfter { get; init; } = 1.5;

    public SwarmLimits Limits { get; init; } = SwarmLimits.Default;
}

/// <summary>How it went.</summary>
/// <param name="Bound">The least time that any plan needs: max(M/us, N·M/(us+Σu)).</param>
/// <param name="LastPod">When the last pod had everything.</param>
/// <param name="SourceImages">Images that left the source pod.</param>
/// <param name="NearBytes">Part of the pieces that came from the same site.</param>
/// <param name="Transfers">Pieces that travelled.</param>
/// <param name="TraceHash">The same for the same options.</param>
internal sealed record FanOutResult(double Bound, double LastPod, double SourceImages, double NearBytes, long Transfers, ulong TraceHash)
{
    public double Ratio => LastPod / Bound;
}

/// <summary>A publish in virtual time: the service's own planner, links that are shared by what travels over them, and pods that ask as the
/// service's do.</summary>
internal sealed class FanOutWorld
{
    private const int Source = 0;
    private const int GivesUpAfter = 8;

    private readonly FanOutOptions options;
    private readonly Swarm swarm;
    private readonly Pod[] pods;
    private readonly double bound;
    private readonly PriorityQueue<Event, (double At, long Number)> events = new();
    private double now;
    private long number;
    private int left;
    private long transfers;
    private long fromSource;
    private long near;
    private ulong hash = 14695981039346656037;

    private FanOutWorld(FanOutOptions options)
    {
        this.options = options;
        swarm = new Swarm(options.Pieces, options.Seed, options.Limits);
        pods = [.. Enumerable.Range(0, options.Pods + 1).Select(n => new Pod(n, PlaceOf(n), options.Pieces))];
        var draw = new Random((int)options.Seed);
        foreach (var pod in Some(draw, options.Slow))
        {
            pod.Up = options.SlowRate;
        }

        foreach (var pod in pods)
        {
            swarm.Join(pod.Place, pod.Number == Source);
        }

        bound = Math.Max(options.Pieces, options.Pods * (double)options.Pieces / pods.Sum(p => p.Up));
        foreach (var pod in Some(draw, options.Dying))
        {
            Add(bound / 2, new Event.Dies(pod));
        }
    }

    public static FanOutResult Run(FanOutOptions options) => new FanOutWorld(options).Run();

    private FanOutResult Run()
    {
        left = options.Pods;
        foreach (var pod in pods.Skip(1))
        {
            swarm.Wants(pod.Number, options.Limits.DownlinkSlots);
        }

        Begin();
        while (left > 0 && events.TryDequeue(out var next, out var when))
        {
            now = when.At;
            if (now > bound * GivesUpAfter)
            {
                throw new InvalidOperationException($"{left} pods are not done after {GivesUpAfter} times the bound.");
            }

            Happen(next);
        }

        return left > 0
            ? throw new InvalidOperationException($"{left} pods wait and nothing happens any more.")
            : new FanOutResult(bound, pods.Max(p => p.Done), (double)fromSource / options.Pieces, (double)near / transfers, transfers, hash);
    }

    private void Happen(Event next)
    {
        switch (next)
        {
            case Event.Ends { Transfer: { IsOver: false } transfer } ends when ends.Turn == transfer.Turn:
                End(transfer);
                Add(now + options.Delay, new Event.Told(transfer));
                break;
            case Event.Told(var transfer) when !transfer.To.IsDead:
                swarm.Arrived(transfer.To.Number, transfer.Piece, now - transfer.Began);
                Ask(transfer.To);
                break;
            case Event.Begins(var transfer):
                transfer.To.Granted--;
                Start(transfer);
                break;
            case Event.Late({ IsOver: false, To.IsDead: false } transfer):
                swarm.Late(transfer.To.Number, transfer.Piece, now - transfer.Began);
                Add(now + LateAfter(transfer.To), new Event.Late(transfer));
                Begin();
                break;
            case Event.Dies(var pod):
                Die(pod);
                break;
            case Event.Noticed(var transfer) when !transfer.To.IsDead:
                swarm.Failed(transfer.To.Number, transfer.Piece);
                Begin(); // it may have been given to somebody else
                Ask(transfer.To);
                break;
            default:
                break; // overtaken
        }
    }

    private void Ask(Pod pod)
    {
        swarm.Wants(pod.Number, options.Limits.DownlinkSlots - pod.Coming.Count - pod.Granted);
        Begin();
    }

    private void Begin()
    {
        foreach (var grant in swarm.TakeGrants())
        {
            var transfer = new Transfer(pods[grant.Source], pods[grant.Receiver], grant.Piece);
            if (transfer.To.Coming.Find(t => t.Piece == grant.Piece) is { } late)
            {
                Remove(late); // what came so far is kept
                transfer.Left = late.Left;
            }

            pods[grant.Receiver].Granted++;
            Add(now + options.Delay, new Event.Begins(transfer));
            hash = (hash ^ ((ulong)grant.Source << 40 ^ (ulong)grant.Receiver << 20 ^ (uint)grant.Piece)) * 1099511628211;
        }
    }

    private void Start(Transfer transfer)
    {
        if (transfer.From.IsDead || transfer.To.IsDead)
        {
            Add(now + options.Delay, new Event.Noticed(transfer));
            return;
        }

        transfer.Began = transfer.Since = now;
        transfer.From.Going.Add(transfer);
        transfer.To.Coming.Add(transfer);
        Share(transfer.From, transfer.To);
        Add(now + LateAfter(transfer.To), new Event.Late(transfer));
    }

    private void End(Transfer transfer)
    {
        transfers++;
        fromSource += transfer.From.Number == Source ? 1 : 0;
        near += transfer.From.Place == transfer.To.Place && transfer.To.Place != SwarmPlace.Nowhere ? 1 : 0;
        Remove(transfer);
        transfer.To.Typical = transfer.To.Typical == 0 ? now - transfer.Began : (transfer.To.Typical * 0.9) + ((now - transfer.Began) * 0.1);
        if (transfer.To.Held.Add(transfer.Piece) && transfer.To.Held.IsFull)
        {
            transfer.To.Done = now;
            left--;
        }
    }

    private void Remove(Transfer transfer)
    {
        transfer.Left -= transfer.Rate * (now - transfer.Since);
        (transfer.IsOver, transfer.Since) = (true, now);
        transfer.From.Going.Remove(transfer);
        transfer.To.Coming.Remove(transfer);
        Share(transfer.From, transfer.To);
    }

    private void Die(Pod pod)
    {
        pod.IsDead = true;
        left -= pod.Done == 0 ? 1 : 0;
        swarm.Leaves(pod.Number);
        foreach (var transfer in pod.Going.ToList())
        {
            Remove(transfer);
            Add(now + options.Delay, new Event.Noticed(transfer));
        }

        foreach (var transfer in pod.Coming.ToList())
        {
            Remove(transfer);
        }

        Begin();
    }

    /// <summary>What travels over a link shares it in equal parts; a transfer goes at the lesser of its two parts.</summary>
    private void Share(Pod from, Pod to)
    {
        foreach (var transfer in from.Going.Union(to.Coming))
        {
            var rate = Math.Min(transfer.From.Up / transfer.From.Going.Count, transfer.To.Down / transfer.To.Coming.Count);
            if (rate == transfer.Rate)
            {
                continue;
            }

            transfer.Left -= transfer.Rate * (now - transfer.Since);
            (transfer.Since, transfer.Rate) = (now, rate);
            Add(now + (Math.Max(0, transfer.Left) / rate), new Event.Ends(transfer, ++transfer.Turn));
        }
    }

    private double LateAfter(Pod receiver) => options.LateAfter * Math.Max(receiver.Typical, 1);

    private IEnumerable<Pod> Some(Random draw, double part)
    {
        var chosen = pods.Skip(1).ToArray();
        draw.Shuffle(chosen);
        return chosen.Take((int)Math.Round(options.Pods * part));
    }

    private SwarmPlace PlaceOf(int pod)
    {
        const int sitesPerRegion = 4;
        return options.PodsPerSite == 0 ? SwarmPlace.Nowhere : new($"r{pod / options.PodsPerSite / sitesPerRegion}", $"s{pod / options.PodsPerSite}");
    }

    private void Add(double at, Event what) => events.Enqueue(what, (at, number++));

    private sealed class Pod(int number, SwarmPlace place, int pieces)
    {
        public int Number { get; } = number;

        public SwarmPlace Place { get; } = place;

        public double Up { get; set; } = 1;

        public double Down { get; } = 1;

        public PieceSet Held { get; } = new(pieces);

        public List<Transfer> Going { get; } = [];

        public List<Transfer> Coming { get; } = [];

        public int Granted { get; set; }

        /// <summary>Seconds that a piece usually takes to come here.</summary>
        public double Typical { get; set; }

        public double Done { get; set; }

        public bool IsDead { get; set; }
    }

    private sealed class Transfer(Pod from, Pod to, int piece)
    {
        public Pod From { get; } = from;

        public Pod To { get; } = to;

        public int Piece { get; } = piece;

        public double Left { get; set; } = 1;

        public double Rate { get; set; }

        public double Since { get; set; }

        public double Began { get; set; }

        public int Turn { get; set; }

        public bool IsOver { get; set; }
    }

    private abstract record Event
    {
        public sealed record Begins(Transfer Transfer) : Event;

        public sealed record Ends(Transfer Transfer, int Turn) : Event;

        public sealed record Told(Transfer Transfer) : Event;

        public sealed record Late(Transfer Transfer) : Event;

        public sealed record Dies(Pod Pod) : Event;

        public sealed record Noticed(Transfer Transfer) : Event;
    }
}
