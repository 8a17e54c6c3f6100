namespace Orleans.ImageMgmt.Grains;

/// <summary>Lets one turn of a reentrant grain after another through a stretch that must not interleave with itself. Used on the grain's own
/// scheduler only; how many wait is bounded by the grain's own queue of requests.</summary>
internal sealed class Gate
{
    private Task last = Task.CompletedTask;

    public async Task<T> PassAsync<T>(Func<Task<T>> stretch)
    {
        var before = last;
        var passed = new TaskCompletionSource();
        last = passed.Task;
        await before;
        try
        {
            return await stretch();
        }
        finally
        {
            passed.SetResult();
        }
    }
}
