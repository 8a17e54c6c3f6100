namespace Orleans.ImageMgmt.Content;

/// <summary>
/// Lets bytes through no faster than the caps of all buckets on their way, shared by everybody who asks. Each bucket has one or more owners who say
/// how fast it may run at a moment; the lowest rate counts, and a rate that changes holds for what is under way.
/// </summary>
/// <remarks>
/// One queue under one lock, first come first served in small parts (50 ms of the slowest rate, 4 KiB to 1 MiB), so that many transfers share evenly
/// and one with a wide window gets no more than others: a transfer has one question at a time in the queue. A part is let through only when every
/// bucket on its way has room for it, so no bucket ever counts bytes that then wait elsewhere. A bucket saves up at most 200 ms of its rate: over any
/// ten seconds that is 2 % too much at worst.
/// </remarks>
public sealed class RateGate : IDisposable
{
    private const int SmallestPart = 4 << 10;
    private const int LargestPart = 1 << 20;
    private const double PartSeconds = 0.05;
    private const double SavedSeconds = 0.2;

    /// <summary>Looks at a shared bucket without a question before its part is given back.</summary>
    private const int IdleLooks = 4;

    /// <summary>Every so often one who waits is let through by age alone, so that urgent ones starve nobody.</summary>
    private const int UrgentInTurn = 4;

    private static readonly TimeSpan longestSleep = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly Dictionary<string, Bucket> buckets = new(StringComparer.Ordinal);
    private readonly List<Question> questions = [];
    private readonly TimeProvider time;
    private readonly ITimer timer;
    private int turn;
    private Func<string, bool> isShared = static _ => false;
    private Action hungers = static () => { };

    public RateGate(TimeProvider time)
    {
        this.time = time;
        timer = time.CreateTimer(static state => ((RateGate)state!).Pump(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    internal TimeProvider Time => time;

    /// <summary>Says how fast a bucket may run as far as this owner is concerned, in bytes a second at a moment; null takes the owner's word back.</summary>
    public void Set(string bucket, string owner, Func<DateTimeOffset, long?>? rate)
    {
        lock (gate)
        {
            if (!buckets.TryGetValue(bucket, out var known))
            {
                if (rate is null)
                {
                    return;
                }

                buckets[bucket] = known = new Bucket(time.GetTimestamp());
            }

            known.Refill(time, isShared(bucket));
            if (rate is null)
            {
                known.Owners.Remove(owner);
                if (known.Owners.Count == 0)
                {
                    buckets.Remove(bucket);
                }
            }
            else
            {
                known.Owners[owner] = rate;
            }
        }

        Pump();
    }

    /// <summary>From now on these buckets are used by other processes too: each lets through only the part of its rate that <see cref="Lend"/> gave, for as long as it gave it.</summary>
    /// <param name="which">By the bucket's name.</param>
    /// <param name="hungers">Called when somebody asks a bucket that has no part now. Must not block.</param>
    internal void Share(Func<string, bool> which, Action hungers)
    {
        lock (gate)
        {
            (isShared, this.hungers) = (which, hungers);
        }
    }

    /// <summary>The shared buckets that somebody asked lately: by how many transfers, how fast they may run in all processes together, and the part used here now.</summary>
    internal IReadOnlyList<BucketDemand> Demands()
    {
        lock (gate)
        {
            var now = time.GetUtcNow();
            return
            [
                .. from known in buckets
                   where isShared(known.Key) && known.Value.RateAt(now) is not null
                   let asking = known.Value.TakeAsking(questions.Where(q => q.Way.Contains(known.Key)).Select(q => q.Pass))
                   where asking > 0 || known.Value.PartNow(time) > 0
                   select new BucketDemand(known.Key, asking, known.Value.RateAt(now)!.Value, known.Value.PartNow(time)),
            ];
        }
    }

    /// <summary>Lets a shared bucket use a part of its rate until a moment of the clock's timestamps.</summary>
    /// <param name="part">0 to 1.</param>
    /// <param name="rate">Bytes a second of the whole as others know it; counts where it is lower.</param>
    internal void Lend(string bucket, double part, long rate, long until)
    {
        lock (gate)
        {
            if (buckets.TryGetValue(bucket, out var known))
            {
                known.Refill(time, isShared: true);
                known.Loan = (part, rate, until);
            }
        }

        Pump();
    }

    /// <summary>Questions that have no answer yet.</summary>
    internal int Waiting
    {
        get
        {
            lock (gate)
            {
                return questions.Count;
            }
        }
    }

    /// <summary>Bytes a second that a bucket lets through now; null: no cap.</summary>
    public long? RateOf(string bucket)
    {
        lock (gate)
        {
            return buckets.TryGetValue(bucket, out var known) ? known.RateAt(time, isShared(bucket)) : null;
        }
    }

    /// <summary>For one transfer. May be asked by several threads at once; they wait for each other.</summary>
    /// <param name="way">The buckets on its way; asked anew for every part, so that a pod that changes its link takes its transfers along.</param>
    /// <param name="isUrgent">Goes before others, who still get every fourth turn.</param>
    public RatePass Open(Func<IReadOnlyList<string>> way, bool isUrgent) => new(this, way, isUrgent);

    /// <summary>Returns how many of the wanted bytes may travel now, at least one; waits until some may.</summary>
    internal ValueTask<int> AskAsync(RatePass pass, int wanted, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(wanted, 1);
        cancellationToken.ThrowIfCancellationRequested();
        var way = pass.Way();
        Question question;
        List<(Question Question, int Part)> answered;
        Action? hungry = null;
        lock (gate)
        {
            if (!way.Any(bucket => buckets.TryGetValue(bucket, out var known) && known.RateAt(time.GetUtcNow()) is not null))
            {
                return ValueTask.FromResult(wanted);
            }

            foreach (var name in way.Where(isShared))
            {
                if (buckets.TryGetValue(name, out var known) && known.Asks(pass) && known.PartNow(time) <= 0)
                {
                    hungry = hungers;
                }
            }

            question = new Question(pass, way, wanted);
            questions.Add(question);
            answered = LetThrough(); // with the same hold: nobody sees a question that waits and was not looked at
        }

        hungry?.Invoke();
        Tell(answered);
        return new ValueTask<int>(WaitAsync(question, cancellationToken));
    }

    public void Dispose() => timer.Dispose();

    private async Task<int> WaitAsync(Question question, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.Register(() =>
        {
            lock (gate)
            {
                questions.Remove(question);
            }

            question.Answer.TrySetCanceled(cancellationToken);
            Pump();
        });
        return await question.Answer.Task;
    }

    /// <summary>Answers everybody who can be answered now, and sets the timer for the next.</summary>
    private void Pump()
    {
        List<(Question Question, int Part)> answered;
        lock (gate)
        {
            answered = LetThrough();
        }

        Tell(answered);
    }

    private static void Tell(List<(Question Question, int Part)> answered)
    {
        foreach (var (question, part) in answered)
        {
            question.Answer.TrySetResult(part);
        }
    }

    /// <summary>Call with the gate held; the answers are told without it.</summary>
    private List<(Question Question, int Part)> LetThrough()
    {
        List<(Question Question, int Part)> answered = [];
        foreach (var name in questions.SelectMany(q => q.Way).Distinct(StringComparer.Ordinal))
        {
            buckets.GetValueOrDefault(name)?.Refill(time, isShared(name));
        }

        while (LetOneThrough() is { } one)
        {
            answered.Add(one);
        }

        timer.Change(questions.Count == 0 ? Timeout.InfiniteTimeSpan : NextIn(), Timeout.InfiniteTimeSpan);
        return answered;
    }

    /// <summary>The first in order whose buckets all have room. Who cannot go yet keeps those behind him out of the buckets that he waits for.</summary>
    private (Question Question, int Part)? LetOneThrough()
    {
        var byAge = turn % UrgentInTurn == UrgentInTurn - 1;
        HashSet<Bucket> taken = [];
        foreach (var question in byAge ? questions : [.. questions.OrderBy(q => q.Pass.IsUrgent ? 0 : 1)])
        {
            var capped = CappedOf(question);
            var part = PartOf(question, capped);
            if (capped.All(b => b.Saved >= part && !taken.Contains(b)))
            {
                capped.ForEach(b => b.Saved -= part);
                questions.Remove(question);
                turn++;
                return (question, part);
            }

            taken.UnionWith(capped.Where(b => b.Saved < part));
        }

        return null;
    }

    private TimeSpan NextIn()
    {
        var soonest = longestSleep.TotalSeconds;
        foreach (var question in questions)
        {
            var capped = CappedOf(question);
            var part = PartOf(question, capped);
            soonest = Math.Min(soonest, capped.Select(b => (part - b.Saved) / b.Rate!.Value).Append(0).Max());
        }

        return TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling(soonest * 1_000)));
    }

    private List<Bucket> CappedOf(Question question) =>
        [.. question.Way.Select(name => buckets.GetValueOrDefault(name)).OfType<Bucket>().Where(b => b.Rate is not null).Distinct()];

    private static int PartOf(Question question, List<Bucket> capped) =>
        Math.Min(question.Wanted, capped.Count == 0 ? question.Wanted : capped.Min(b => PartAt(b.Rate!.Value)));

    /// <summary>Whole blocks, so that reads of a disk stay aligned.</summary>
    private static int PartAt(long rate) => (int)Math.Clamp((long)(rate * PartSeconds) / SmallestPart * SmallestPart, SmallestPart, LargestPart);

    private sealed class Question(RatePass pass, IReadOnlyList<string> way, int wanted)
    {
        public RatePass Pass => pass;

        public IReadOnlyList<string> Way => way;

        public int Wanted => wanted;

        public TaskCompletionSource<int> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Bucket(long since)
    {
        private long since = since;

        private readonly HashSet<RatePass> asking = [];
        private int idleLooks;

        public Dictionary<string, Func<DateTimeOffset, long?>> Owners { get; } = new(StringComparer.Ordinal);

        /// <summary>What other processes leave to this one, and until which timestamp.</summary>
        public (double Part, long Rate, long Until)? Loan { get; set; }

        /// <summary>The part that may be used now, 0 to 1.</summary>
        public double PartNow(TimeProvider time) => Loan is { } loan && time.GetTimestamp() < loan.Until ? loan.Part : 0;

        /// <summary>False when it is known already that this transfer asks.</summary>
        public bool Asks(RatePass pass) => asking.Add(pass) || Loan is null;

        /// <summary>How many asked since the last look, and wait now. A short silence is no end: the disk may be slow.</summary>
        public int TakeAsking(IEnumerable<RatePass> waiting)
        {
            asking.UnionWith(waiting);
            var count = asking.Count;
            idleLooks = count > 0 ? 0 : idleLooks + 1;
            asking.Clear();
            return count > 0 ? count : idleLooks < IdleLooks && Loan is { Part: > 0 } ? 1 : 0;
        }

        public long? RateAt(TimeProvider time, bool isShared) => RateAt(time.GetUtcNow()) is not { } rate ? null
            : !isShared ? rate
            : Loan is { } loan ? (long)(PartNow(time) * Math.Min(rate, loan.Rate)) : 0;

        /// <summary>As of the last refill.</summary>
        public long? Rate { get; private set; }

        public double Saved { get; set; }

        public long? RateAt(DateTimeOffset now) => Owners.Values.Min(rate => rate(now));

        public void Refill(TimeProvider time, bool isShared)
        {
            var now = time.GetTimestamp();
            if (Rate is { } before)
            {
                Saved += time.GetElapsedTime(since, now).TotalSeconds * before;
            }

            since = now;
            Rate = RateAt(time, isShared);
            Saved = Rate is { } rate ? Math.Min(Saved, Math.Max(rate * SavedSeconds, PartAt(rate))) : 0;
        }
    }
}

/// <summary>What is wanted of a bucket that other processes use too.</summary>
/// <param name="Bucket">Its name.</param>
/// <param name="Transfers">That ask it here.</param>
/// <param name="Rate">Bytes a second of the whole now.</param>
/// <param name="Uses">The part that is let through here now, 0 to 1.</param>
internal sealed record BucketDemand(string Bucket, int Transfers, long Rate, double Uses);

/// <summary>One transfer's way through a <see cref="RateGate"/>.</summary>
public sealed class RatePass
{
    private readonly RateGate gate;
    private readonly Lock queueing = new();
    private Task last = Task.CompletedTask;

    internal RatePass(RateGate gate, Func<IReadOnlyList<string>> way, bool isUrgent) => (this.gate, Way, IsUrgent) = (gate, way, isUrgent);

    internal Func<IReadOnlyList<string>> Way { get; }

    public bool IsUrgent { get; set; }

    /// <summary>How many of the wanted bytes may travel now, at least one; the rest is asked again.</summary>
    public async ValueTask<int> AskAsync(int wanted, CancellationToken cancellationToken)
    {
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before;
        lock (queueing)
        {
            before = last;
            last = mine.Task;
        }

        try
        {
            await before.WaitAsync(cancellationToken);
            return await gate.AskAsync(this, wanted, cancellationToken);
        }
        finally
        {
            // One that gave up waiting is no reason for the next to overtake who was before both.
            _ = before.ContinueWith(static (_, state) => ((TaskCompletionSource)state!).TrySetResult(), mine, CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }
}
