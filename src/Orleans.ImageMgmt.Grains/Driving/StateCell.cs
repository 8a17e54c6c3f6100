using Orleans.Runtime;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// One stored record of a grain. <see cref="Current"/> is what is durable: a new value is written first and swapped in only when the write
/// succeeded, so that a failed write leaves no facts in memory. Writes of one cell are made one after another, so a reentrant grain may
/// call it from several turns.
/// </summary>
internal sealed class StateCell<TState>(IGrainStorage storage, string name, GrainId grain)
    where TState : class, new()
{
    /// <summary>Decisions of one change: one more after a conflict, when somebody else or a late commit has written in between.</summary>
    private const int Decisions = 2;

    private Task lastWrite = Task.CompletedTask; // all calls come from the grain's own scheduler, one at a time
    private string? etag;
    private bool isStale;

    public TState Current { get; private set; } = new();

    public bool Exists { get; private set; }

    public async Task ReadAsync()
    {
        var stored = new GrainState<TState>(new TState());
        await storage.ReadStateAsync(name, grain, stored);
        Current = stored.State ?? new TState();
        etag = stored.ETag;
        Exists = stored.RecordExists;
        isStale = false;
    }

    /// <summary>Ends when the writes that are under way have. A list shows a write as soon as it is committed, which is a moment before
    /// <see cref="Current"/> does: whoever refuses because of the record waits for this first.</summary>
    public Task SettledAsync() => lastWrite;

    /// <summary>Makes a new value from the newest durable one and stores it. Returns false, storing nothing, when <paramref name="change"/> returns null.</summary>
    /// <param name="change">Decides from the record alone; after a conflict it decides once more, from what is stored then.</param>
    /// <param name="decidesOnce">The change comes from more than this record: a conflict is the caller's to solve.</param>
    public async Task<bool> ChangeAsync(Func<TState, TState?> change, bool decidesOnce = false)
    {
        var before = lastWrite;
        var done = new TaskCompletionSource();
        lastWrite = done.Task;
        await before;
        try
        {
            for (var decision = 1; ; decision++)
            {
                if (isStale)
                {
                    await ReadAsync();
                }

                if (change(Current) is not { } next)
                {
                    return false;
                }

                try
                {
                    await WriteAsync(next);
                    return true;
                }
                catch (InconsistentStateException) when (!decidesOnce && decision < Decisions)
                {
                    isStale = true; // what is stored now decides
                }
            }
        }
        finally
        {
            done.SetResult();
        }
    }

    private async Task WriteAsync(TState next)
    {
        var stored = new GrainState<TState>(next, etag) { RecordExists = Exists };
        try
        {
            await storage.WriteStateAsync(name, grain, stored);
        }
        catch
        {
            // The commit may have happened although its answer was lost: what is durable now is read back, never guessed.
            isStale = true;
            await TryRereadAsync();
            throw;
        }

        Current = next;
        etag = stored.ETag;
        Exists = true;
    }

    private async Task TryRereadAsync()
    {
        try
        {
            await ReadAsync();
        }
        catch (Exception)
        {
            // The first failure is the one to report; the next change reads first.
        }
    }
}
