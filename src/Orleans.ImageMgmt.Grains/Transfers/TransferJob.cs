using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>One step of one copy that the worker carries out.</summary>
/// <param name="Spec">The pod it runs on.</param>
/// <param name="Copy">The copy as it was when the step was decided.</param>
/// <param name="Step">What to do.</param>
/// <param name="IsResumed">Nobody has asked for it since the pod's grain began here: it goes on after a restart.</param>
internal sealed record TransferJob(PodSpec Spec, Copy Copy, CopyStep Step, bool IsResumed = false);

/// <summary>A job under way: its progress, and the means to stop it.</summary>
internal sealed class RunningTransfer(TransferJob job, TransferTrace trace, TransferCounters counters, TimeProvider time, DateTimeOffset startedAt, ScrubPace? pace = null) : IPacedObserver, IDisposable
{
    /// <summary>Of fewer bytes no rate is told: the time would be that of opening files.</summary>
    private const long MeasuredFrom = 1 << 20;

    private int chunksNeeded;
    private int chunksBefore;
    private int chunksStaged;
    private long bytesNeeded;
    private long bytesSent;
    private long bytesTravelled;
    private long bytesVerified;
    private long bytesToVerify;
    private long movedAt = time.GetTimestamp();
    private readonly Lock holding = new();
    private int held;
    private long heldSince;
    private TimeSpan heldFor;
    private long sendingSince;
    private readonly List<RatePass> passes = [];
    private int hurried = job.Copy.IsUrgent ? 1 : 0;
    private readonly TaskCompletionSource hangs = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TransferJob Job { get; } = job;

    public CancellationTokenSource Stop { get; } = new();

    public CopyState Phase { get; set; } = job.Copy.State;

    public bool IsStalled { get; private set; }

    /// <summary>Stopped because its grain left: the next activation may begin this very try again.</summary>
    public bool IsAbandoned { get; private set; }

    /// <summary>Its result was delivered, or could not be: when the pod asks for this very try again, it is made again.</summary>
    public bool IsTold { get; set; }

    /// <summary>False while it waits for one of the silo's slots: that is no stall of the pod.</summary>
    public bool IsAtWork { get; private set; }

    /// <summary>When it began to be, as <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long BeganAt { get; private set; }

    /// <summary>What the connector does, once it does something.</summary>
    public Task<WorkerResult>? Work { get; set; }

    /// <summary>Ends when the connector has not let go long after it was stopped for a stall: its result is no longer waited for.</summary>
    public Task Hangs => hangs.Task;

    /// <summary>Ends when the connector has let go, whatever the result.</summary>
    public Task Ended { get; set; } = Task.CompletedTask;

    public CopyProgress Progress => new(Phase, chunksNeeded, chunksBefore, Volatile.Read(ref chunksStaged), bytesNeeded,
        Interlocked.Read(ref bytesSent), Interlocked.Read(ref bytesVerified), Interlocked.Read(ref bytesToVerify), startedAt,
        Interlocked.Read(ref bytesTravelled));

    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
    {
        this.chunksNeeded = chunksNeeded;
        chunksBefore = chunksStaged;
        this.bytesNeeded = bytesNeeded;
        sendingSince = time.GetTimestamp();
        trace.Planned(Job, chunksNeeded, chunksStaged);
        Moved();
    }

    public void ChunkRequested(int chunk) => trace.Requested(Job, chunk);

    public void ChunkStaged(int chunk, int length)
    {
        trace.Staged(Job, chunk);
        Interlocked.Increment(ref chunksStaged);
        Interlocked.Add(ref bytesSent, length);
        counters.Moved(Job.Spec.Name, length);
        Moved();
    }

    public void Travelled(int bytes) => Interlocked.Add(ref bytesTravelled, bytes);

    public void Advanced(long bytes, long total)
    {
        Interlocked.Exchange(ref bytesVerified, bytes);
        Interlocked.Exchange(ref bytesToVerify, total);
        Moved();
    }

    public ValueTask PaceAsync(int bytes, CancellationToken cancellationToken) => pace is null ? ValueTask.CompletedTask : pace.WaitAsync(bytes, Moved, cancellationToken);

    public void Begin()
    {
        BeganAt = time.GetTimestamp();
        Moved();
        IsAtWork = true;
    }

    /// <summary>True the first time: whoever asks does what else is needed.</summary>
    public bool Hurry()
    {
        lock (passes)
        {
            passes.ForEach(pass => pass.IsUrgent = true);
        }

        return Interlocked.Exchange(ref hurried, 1) == 0;
    }

    /// <summary>Its way through the caps of both pods and of the links between them; one for each pod that sends.</summary>
    public Func<int, CancellationToken, ValueTask<int>> ThrottleBy(PodRates rates, PodSpec source)
    {
        rates.Set(source.Name, source.Caps);
        rates.Set(Job.Spec.Name, Job.Spec.Caps);
        var pass = rates.Open(source.Name, Job.Spec.Name, Volatile.Read(ref hurried) == 1);
        lock (passes)
        {
            passes.Add(pass);
        }

        return (wanted, token) => ThroughAsync(pass, wanted, token);
    }

    /// <summary>Asks the caps. A transfer that waits for its turn there is no stalled one.</summary>
    private async ValueTask<int> ThroughAsync(RatePass pass, int wanted, CancellationToken cancellationToken)
    {
        lock (holding)
        {
            heldSince = held++ == 0 ? time.GetTimestamp() : heldSince;
        }

        try
        {
            return await pass.AskAsync(wanted, cancellationToken);
        }
        finally
        {
            lock (holding)
            {
                heldFor += --held == 0 ? time.GetElapsedTime(heldSince) : TimeSpan.Zero;
            }

            Moved();
        }
    }

    /// <summary>Bytes a second from the first plan to now, without the time that caps held them back; null when too few travelled to say.</summary>
    public long? MeasuredRate()
    {
        var sent = Interlocked.Read(ref bytesSent);
        lock (holding)
        {
            var seconds = (time.GetElapsedTime(sendingSince) - heldFor).TotalSeconds;
            return sendingSince == 0 || sent < MeasuredFrom || seconds <= 0 ? null : (long)(sent / seconds);
        }
    }

    public void Moved() => Interlocked.Exchange(ref movedAt, time.GetTimestamp());

    /// <summary>Stops the job when nothing moved for too long, and gives it up when it does not let go for as long again.</summary>
    public void StopIfStalled(TimeSpan transferStall, TimeSpan finaliseStall)
    {
        var limit = Phase == CopyState.Replicating ? transferStall : finaliseStall;
        var still = time.GetElapsedTime(Interlocked.Read(ref movedAt));
        if (!IsAtWork || still <= limit || Volatile.Read(ref held) > 0)
        {
            return;
        }

        if (!IsStalled)
        {
            IsStalled = true;
            Cancel();
        }
        else if (still > limit * 2)
        {
            hangs.TrySetResult();
        }
    }

    public void Abandon()
    {
        IsAbandoned = true;
        Cancel();
    }

    /// <summary>Asks the connector to let go. What it does on being asked runs on another thread, never on the caller's turn.</summary>
    public void Cancel()
    {
        try
        {
            _ = Stop.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself just now.
        }
    }

    public void Dispose() => Stop.Dispose();
}

/// <summary>Appends one line for every chunk requested and staged to a file, so that an audit over kills can prove that no staged chunk was
/// requested again. A line is handed to the system before the caller goes on, so it survives a kill of the process.</summary>
internal sealed class TransferTrace : IDisposable
{
    private readonly FileStream? file;
    private readonly Lock gate = new();

    public TransferTrace(string path) =>
        file = path.Length == 0 ? null : new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    public void Planned(TransferJob job, int needed, int staged) => Write($"P {Of(job)} needed={needed} staged={staged}\n");

    public void Requested(TransferJob job, int chunk) => Write($"R {Of(job)} {chunk}\n");

    public void Staged(TransferJob job, int chunk) => Write($"S {Of(job)} {chunk}\n");

    public void Dispose() => file?.Dispose();

    private static string Of(TransferJob job) => $"{job.Spec.Name} {job.Copy.Version} {job.Copy.Generation}.{job.Copy.Attempt}";

    private void Write(FormattableString line)
    {
        if (file is null)
        {
            return;
        }

        var bytes = System.Text.Encoding.UTF8.GetBytes(FormattableString.Invariant(line));
        lock (gate)
        {
            file.Write(bytes);
        }
    }
}
