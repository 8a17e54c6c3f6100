using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Orleans.ImageMgmt.Simulation;

/// <summary>How a pod behaves at the moment.</summary>
internal enum Mood
{
    Well,
    Dead,
    Stalled,
    Slow,
    NoRoom,
    Refusing,
    Lying,
    Corrupting,
}

/// <summary>The bytes of one source: a number for each chunk.</summary>
internal sealed record Bytes(ContentDescription Description, ulong[] Chunks)
{
    internal static Bytes Of(string path, int chunks)
    {
        var seed = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(path));
        var numbers = Enumerable.Range(1, chunks).Select(n => BitConverter.ToUInt64(seed) * (ulong)n).ToArray();
        var digest = DigestOf(numbers);
        return new Bytes(new ContentDescription(ContentKind.Disk, digest, chunks << 20, chunks << 20, digest, 1 << 20, chunks, SourceFormat.Raw, chunks << 20, digest), numbers);
    }

    internal static Digest DigestOf(ulong[] chunks) => Digest.FromBytes(SHA256.HashData(MemoryMarshal.AsBytes(chunks.AsSpan())));
}

/// <summary>What is staged of one version: chunk values, which of them are verified and durable, and the generation of the order.</summary>
internal sealed class Staging(int chunks)
{
    internal ulong[] Chunks { get; } = new ulong[chunks];

    /// <summary>Verified and flushed: never to be asked for again while this staging lives.</summary>
    internal HashSet<int> Proved { get; } = [];

    /// <summary>Verified, not flushed yet: lost when the connector crashes.</summary>
    internal HashSet<int> Fresh { get; } = [];

    internal bool Has(int chunk) => Proved.Contains(chunk) || Fresh.Contains(chunk);

    internal bool IsWhole => Proved.Count + Fresh.Count == Chunks.Length;

    internal void Flush()
    {
        Proved.UnionWith(Fresh);
        Fresh.Clear();
    }
}

/// <summary>One call of a worker to a connector.</summary>
internal sealed class Job(PodNode node, Copy copy, CopyStep step)
{
    internal PodNode Node { get; } = node;

    internal VersionId Version { get; } = copy.Version;

    internal Generation Generation { get; } = copy.Generation;

    internal int Attempt { get; } = copy.Attempt;

    internal CopyStep Step { get; } = step;

    internal bool IsOver { get; private set; }

    /// <summary>Chunks asked for by this call, for the planted bug that forgets what is staged.</summary>
    internal int Asked { get; set; }

    internal bool HoldsSlot => !IsOver && Step is not (CopyStep.Remove or CopyStep.Verify);

    internal DateTimeOffset AnsweredAt { get; set; }

    internal bool Serves(Copy copy, CopyStep step) => Attempt == copy.Attempt && Step.GetType() == step.GetType();

    internal void Stop() => IsOver = true;
}

/// <summary>A pod's connector and what is really on the pod. Survives crashes of silos; has moods.</summary>
internal sealed partial class Connector(World world, PodName pod, Func<Digest, Bytes> bytesOf, Func<SourceRef, Bytes> sourceOf)
{
    private const int FlushEvery = 4;
    private static readonly TimeSpan stallLimit = TimeSpan.FromSeconds(30);
    private readonly List<Job> jobs = [];
    private readonly Dictionary<VersionId, Generation> newest = [];

    internal Mood Mood { get; set; }

    internal PodName Pod => pod;

    internal Dictionary<VersionId, ulong[]> Finals { get; } = [];

    /// <summary>Finals that a bad disk has changed, and when; nobody on the pod knows before it reads them back.</summary>
    internal Dictionary<VersionId, DateTimeOffset> DamagedAt { get; } = [];

    internal Dictionary<VersionId, Staging> Staged { get; } = [];

    internal int ChunksRequested { get; private set; }

    /// <summary>Copies on which workers do anything but remove.</summary>
    internal int SlotsHeld => jobs.Where(j => j.HoldsSlot).Select(j => j.Version).Distinct().Count();

    internal ConnectorFault? Probe() => Mood == Mood.Dead ? Fault(FaultStage.Probe, FaultCause.Unreachable) : null;

    internal Job Begin(PodNode node, Copy copy, CopyStep step)
    {
        jobs.RemoveAll(j => j.IsOver);
        var job = new Job(node, copy, step);
        jobs.Add(job);
        world.Invariants.Touch(pod);
        if (newest.TryGetValue(copy.Version, out var seen) && copy.Generation < seen)
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Receive, FaultCause.Stale)));
            return job;
        }

        newest[copy.Version] = copy.Generation;
        Later(job, TimeSpan.FromMilliseconds(20), () => Go(job));
        return job;
    }

    /// <summary>The process that ran the workers is gone, and they with it.</summary>
    internal void WorkersGone(Silo silo)
    {
        foreach (var job in jobs.Where(j => j.Node.Silo == silo))
        {
            job.Stop();
        }
    }

    private void Go(Job job)
    {
        world.Invariants.Touch(pod);
        if (Trouble(job) is { } fault)
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, fault));
            return;
        }

        if (Mood == Mood.Stalled)
        {
            Later(job, stallLimit, () => Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Receive, FaultCause.TimedOut))));
            return;
        }

        switch (job.Step)
        {
            case CopyStep.Prepare step:
                Later(job, TimeSpan.FromSeconds(1), () => Prepare(job, sourceOf(step.Source)));
                break;
            case CopyStep.Receive step:
                Receive(job, bytesOf(step.Content.ContentDigest), world.Connectors[step.From.Value]);
                break;
            case CopyStep.Finalise step:
                Later(job, TimeSpan.FromMilliseconds(200), () => Finalise(job, bytesOf(step.Content.ContentDigest)));
                break;
            case CopyStep.Verify:
                Later(job, TimeSpan.FromMilliseconds(200), () => Verify(job));
                break;
            case CopyStep.Repair step:
                Repair(job, step, bytesOf(step.Content.ContentDigest));
                break;
            case CopyStep.Remove step:
                Remove(job, step.Final);
                break;
            default:
                throw new NotSupportedException(job.Step.ToString());
        }
    }

    private ConnectorFault? Trouble(Job job)
    {
        if (world.Fault("connector-crash", 0.002))
        {
            foreach (var staging in Staged.Values)
            {
                staging.Fresh.Clear();
            }

            return Fault(FaultStage.Receive, FaultCause.InputOutput);
        }

        return Mood switch
        {
            Mood.Dead => Fault(FaultStage.Receive, FaultCause.Unreachable),
            Mood.NoRoom when job.Step is CopyStep.Receive or CopyStep.Repair => Fault(FaultStage.Receive, FaultCause.NoRoom),
            Mood.Refusing when job.Step is not CopyStep.Remove && world.Fault("refuse", 0.2) => Fault(FaultStage.Receive, FaultCause.Denied),
            _ => null,
        };
    }

    private void Prepare(Job job, Bytes bytes)
    {
        if (receipts.TryGetValue(job.Version, out var sealedBefore))
        {
            // By a try whose answer was lost, as far as the connector can know.
            Finish(job, new CopyCommand.Prepared(job.Attempt, bytesOf(sealedBefore.ContentDigest).Description, sealedBefore));
            return;
        }

        Finish(job, new CopyCommand.Prepared(job.Attempt, bytes.Description, MakeFinal(job, bytes.Chunks)));
    }

    private void Receive(Job job, Bytes bytes, Connector from)
    {
        TakeBackMarked(job.Version, bytes);
        if (Finals.ContainsKey(job.Version) || (Mood == Mood.Lying && world.Fault("lie-staged", 0.3)))
        {
            Finish(job, new CopyCommand.Staged(job.Attempt));
            return;
        }

        if (from.Mood == Mood.Dead || !from.Finals.TryGetValue(job.Version, out var sent))
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Open, FaultCause.Unreachable)));
            return;
        }

        if (!Staged.TryGetValue(job.Version, out var staging))
        {
            Staged[job.Version] = staging = new Staging(bytes.Chunks.Length);
        }

        var chunk = world.Planted(Plant.ForgetStaged) ? job.Asked : Enumerable.Range(0, bytes.Chunks.Length).FirstOrDefault(n => !staging.Has(n), bytes.Chunks.Length);
        if (chunk >= bytes.Chunks.Length)
        {
            staging.Flush();
            Finish(job, new CopyCommand.Staged(job.Attempt));
            return;
        }

        job.Asked++;
        ChunksRequested++;
        Invariants.Require(!staging.Proved.Contains(chunk), $"chunk {chunk} of {job.Version} on {pod} was staged and verified and is requested again");
        if (Mood == Mood.Corrupting && world.Fault("corrupt-chunk", 0.3))
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Receive, FaultCause.SourceCorrupt)));
            return;
        }

        if (world.Fault("short-read", 0.005))
        {
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Receive, FaultCause.InputOutput)));
            return;
        }

        if (sent[chunk] != bytes.Chunks[chunk])
        {
            world.Send<PodNode>(null, Keys.Pod(from.Pod), "suspect", n => n.Verify(job.Version, null));
            Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Receive, FaultCause.SourceCorrupt)));
            return;
        }

        staging.Chunks[chunk] = sent[chunk];
        staging.Fresh.Add(chunk);
        if (staging.Fresh.Count >= FlushEvery)
        {
            staging.Flush();
        }

        Later(job, TimeSpan.FromMilliseconds(Mood == Mood.Slow ? 3_000 : 100), () => Go(job));
    }

    private void Finalise(Job job, Bytes bytes)
    {
        world.Invariants.Touch(pod);
        if (Mood == Mood.Lying && world.Fault("lie-final", 0.5))
        {
            Finish(job, new CopyCommand.Finalised(job.Attempt, Proof(job, [0])));
            return;
        }

        if (!Finals.ContainsKey(job.Version))
        {
            if (!Staged.TryGetValue(job.Version, out var staging) || !staging.IsWhole || !staging.Chunks.SequenceEqual(bytes.Chunks))
            {
                Finish(job, new CopyCommand.Faulted(job.Attempt, Fault(FaultStage.Finalise, FaultCause.TargetCorrupt)));
                return;
            }

            MakeFinal(job, staging.Chunks);
            Staged.Remove(job.Version);
        }

        Finish(job, new CopyCommand.Finalised(job.Attempt, receipts[job.Version]));
    }

    private void Remove(Job job, bool final)
    {
        if (!world.Planted(Plant.LeaveStaged))
        {
            Staged.Remove(job.Version);
        }

        if (final)
        {
            Forget(job.Version);
        }

        Finish(job, new CopyCommand.Removed(job.Attempt));
    }

    /// <summary>The answer goes to the grain on the bus: late, twice or never; then the grain begins the same call again.</summary>
    private void Finish(Job job, CopyCommand answer)
    {
        if (!job.IsOver)
        {
            job.Stop();
            job.AnsweredAt = world.Now;
            world.Send<PodNode>(null, job.Node.Key, "worker " + answer.GetType().Name, n => n.Heard(job.Version, answer));
        }
    }

    private void Later(Job job, TimeSpan delay, Action go) => world.After(delay, job.Node.Key, null, () =>
    {
        if (!job.IsOver)
        {
            go();
        }
    });

    private Receipt Proof(Job job, ulong[] chunks) => new(job.Version, pod, "ds1", job.Version.Value, Bytes.DigestOf(chunks), Bytes.DigestOf(chunks),
        chunks.Length << 20, chunks.Length << 20, chunks.Length << 20, world.Now, "simulated 1", job.Generation);

    private static ConnectorFault Fault(FaultStage stage, FaultCause cause) => new(stage, cause, "Simulated.", "Wait.");
}
