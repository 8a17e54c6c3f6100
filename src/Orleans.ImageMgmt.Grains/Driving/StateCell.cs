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
    private Task lastWrite = Task.CompletedTask; // all calls come from the grain's own scheduler, one at a time
    private string? etag;

    public TState Current { get; private set; } = new();

    public bool Exists { get; private set; }

    public async Task ReadAsync()
    {
        var stored = new GrainState<TState>(new TState());
        await storage.ReadStateAsync(name, grain, stored);
        Current = stored.State ?? new TState();
        etag = stored.ETag;
        Exists = stored.RecordExists;
    }

    /// <summary>Makes a new value from the newest durable one and stores it. Returns false, storing nothing, when <paramref name="change"/> returns null.</summary>
    public async Task<bool> ChangeAsync(Func<TState, TState?> change)
    {
        var before = lastWrite;
        var done = new TaskCompletionSource();
        lastWrite = done.Task;
        await before;
        try
        {
            var next = change(Current);
            if (next is null)
            {
                return false;
            }

            var stored = new GrainState<TState>(next, etag) { RecordExists = Exists };
            try
            {
                await storage.WriteStateAsync(name, grain, stored);
            }
            catch
            {
                // The commit may have happened although its answer was lost: what is durable now is read back, never guessed.
                await TryRereadAsync();
                throw;
            }

            Current = next;
            etag = stored.ETag;
            Exists = true;
            return true;
        }
        finally
        {
            done.SetResult();
        }
    }

    private async Task TryRereadAsync()
    {
        try
        {
            await ReadAsync();
        }
        catch (Exception)
        {
            // The first failure is the one to report; the etag check of the next write keeps this cell honest.
        }
    }
}
