using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>How the opening of a copy ended: a reader, or why there is none.</summary>
public sealed record CopyOpening(IContentReader? Reader, BlockRefusal? Refusal);

/// <summary>Opens the verified copy of a version on a pod of this process. Throws nothing for what the world does.</summary>
public delegate Task<CopyOpening> OpenCopy(PodName pod, VersionId version, CancellationToken cancellationToken);

/// <summary>Copies that are open for reading: opened once for many reads, closed a while later, bounded in number.</summary>
internal sealed class CopyShelf : IAsyncDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<(PodName Pod, VersionId Version, Digest Manifest), OpenedCopy> copies = [];
    private readonly OpenCopy open;
    private readonly BlockLimits limits;
    private readonly TimeProvider time;
    private readonly ITimer sweep;
    private readonly CancellationTokenSource stopping = new();

    public CopyShelf(OpenCopy open, BlockLimits limits, TimeProvider time)
    {
        (this.open, this.limits, this.time) = (open, limits, time);
        sweep = time.CreateTimer(_ => CloseOld(), null, limits.OpenFor, limits.OpenFor);
    }

    /// <summary>A copy that stays open until the lease is disposed, or why there is none.</summary>
    public async Task<(CopyLease? Lease, BlockRefusal? Refusal)> BorrowAsync(BlockTicket ticket, CancellationToken cancellationToken)
    {
        if (Take(ticket) is not { } copy)
        {
            return (null, BlockRefusal.Busy);
        }

        var lease = new CopyLease(copy, this);
        try
        {
            var opening = await copy.Opening.WaitAsync(limits.TurnWait, time, cancellationToken);
            if (opening.Reader is { } reader)
            {
                lease.Reader = reader;
                return (lease, null);
            }

            copy.Retired = true;
            lease.Dispose();
            return (null, opening.Refusal);
        }
        catch (TimeoutException)
        {
            copy.Retired = true;
            lease.Dispose();
            return (null, BlockRefusal.Unusable("The copy could not be opened in time: look at the pod's storage."));
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await sweep.DisposeAsync();
        await stopping.CancelAsync();
        List<OpenedCopy> all;
        lock (gate)
        {
            all = [.. copies.Values];
            copies.Clear();
            all.ForEach(copy => copy.Retired = true);
        }

        foreach (var copy in all.Where(copy => copy.Users == 0))
        {
            await copy.CloseAsync();
        }

        stopping.Dispose();
    }

    internal void Return(OpenedCopy copy)
    {
        bool isLast;
        lock (gate)
        {
            isLast = --copy.Users == 0 && (copy.Retired || time.GetUtcNow() - copy.OpenedAt >= limits.OpenFor);
            if (isLast && copies.GetValueOrDefault(copy.Key) == copy)
            {
                copies.Remove(copy.Key);
            }
        }

        if (isLast)
        {
            _ = copy.CloseAsync();
        }
    }

    private OpenedCopy? Take(BlockTicket ticket)
    {
        var key = (ticket.Pod, ticket.Version, ticket.Manifest);
        OpenedCopy? idle = null;
        OpenedCopy? taken = null;
        lock (gate)
        {
            if (copies.TryGetValue(key, out var known))
            {
                if (!known.Retired && time.GetUtcNow() - known.OpenedAt < limits.OpenFor)
                {
                    known.Users++;
                    return known;
                }

                known.Retired = true; // whoever reads from it ends; nobody begins
                copies.Remove(key);
                idle = known.Users == 0 ? known : null;
            }
            else if (copies.Count >= limits.OpenCopies)
            {
                idle = copies.Values.Where(copy => copy.Users == 0).MinBy(copy => copy.OpenedAt);
                if (idle is null)
                {
                    return null;
                }

                copies.Remove(idle.Key);
            }

            taken = new OpenedCopy(key, time.GetUtcNow()) { Users = 1 };
            copies[key] = taken;
        }

        taken.Begin(open, stopping.Token);
        _ = idle?.CloseAsync();
        return taken;
    }

    private void CloseOld()
    {
        List<OpenedCopy> old;
        lock (gate)
        {
            var now = time.GetUtcNow();
            old = [.. copies.Values.Where(copy => copy.Users == 0 && now - copy.OpenedAt >= limits.OpenFor)];
            old.ForEach(copy => copies.Remove(copy.Key));
        }

        old.ForEach(copy => _ = copy.CloseAsync());
    }
}

/// <summary>One copy on the shelf. Its counters are the shelf's, under the shelf's lock.</summary>
internal sealed class OpenedCopy((PodName Pod, VersionId Version, Digest Manifest) key, DateTimeOffset openedAt)
{
    private readonly TaskCompletionSource<CopyOpening> opening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public (PodName Pod, VersionId Version, Digest Manifest) Key => key;

    public DateTimeOffset OpenedAt => openedAt;

    public int Users { get; set; }

    public bool Retired { get; set; }

    public Task<CopyOpening> Opening => opening.Task;

    public void Begin(OpenCopy open, CancellationToken stop) => _ = Task.Run(() => OpenAsync(open, stop), CancellationToken.None);

    public async Task CloseAsync()
    {
        if (await opening.Task is { Reader: { } reader })
        {
            await reader.DisposeAsync();
        }
    }

    private async Task OpenAsync(OpenCopy open, CancellationToken stop)
    {
        try
        {
            var opened = await open(key.Pod, key.Version, stop);
            if (opened.Reader is { } reader && reader.Manifest.ComputeDigest() != key.Manifest)
            {
                await reader.DisposeAsync();
                opened = new CopyOpening(null, BlockRefusal.NoCopy);
            }

            opening.SetResult(opened);
        }
        catch (Exception trouble)
        {
            opening.SetResult(new CopyOpening(null, BlockRefusal.Unusable($"The copy could not be opened: {trouble.Message}")));
        }
    }
}

/// <summary>The right to read from an open copy.</summary>
public sealed class CopyLease : IDisposable
{
    private readonly OpenedCopy copy;
    private readonly CopyShelf shelf;
    private int returned;

    internal CopyLease(OpenedCopy copy, CopyShelf shelf) => (this.copy, this.shelf) = (copy, shelf);

    public IContentReader Reader { get; internal set; } = null!;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref returned, 1) == 0)
        {
            shelf.Return(copy);
        }
    }
}
