namespace Orleans.ImageMgmt.Cluster.Tests.Crashes;

/// <summary>What a flow does that can be cut.</summary>
internal enum CrashKind
{
    /// <summary>A write of the store.</summary>
    Write,

    /// <summary>A call to a pod's connector.</summary>
    Call,

    /// <summary>A message to a grain.</summary>
    Message,
}

/// <summary>What happens to it.</summary>
internal enum Mishap
{
    /// <summary>It is not carried out, and fails.</summary>
    Fails,

    /// <summary>It is carried out, and its answer is lost.</summary>
    LosesItsAnswer,

    /// <summary>It is carried out twice.</summary>
    ComesTwice,

    /// <summary>The silo dies before it.</summary>
    DiesBefore,

    /// <summary>The silo dies after it, before anybody hears of it.</summary>
    DiesAfter,
}

/// <summary>One square of the matrix: what happens to the n-th of a kind, counted from 1.</summary>
internal sealed record CrashPoint(CrashKind Kind, Mishap Mishap, int Number);

/// <summary>Counts what a flow does, over all lives of its silo, and knows the one that goes wrong.</summary>
internal sealed class CrashPlan(CrashPoint? point)
{
    private readonly int[] counts = new int[Enum.GetValues<CrashKind>().Length];
    private int isCounting;
    private int hasStruck;

    /// <summary>False when the flow was over before its n-th came.</summary>
    public bool HasStruck => Volatile.Read(ref hasStruck) == 1;

    public int CountOf(CrashKind kind) => Volatile.Read(ref counts[(int)kind]);

    public void Begin() => Volatile.Write(ref isCounting, 1);

    public void End() => Volatile.Write(ref isCounting, 0);

    /// <summary>Counts one, and says what happens to it.</summary>
    public Mishap? Next(CrashKind kind)
    {
        if (Volatile.Read(ref isCounting) == 0)
        {
            return null;
        }

        var number = Interlocked.Increment(ref counts[(int)kind]);
        if (point is null || point.Kind != kind || point.Number != number)
        {
            return null;
        }

        Volatile.Write(ref hasStruck, 1);
        return point.Mishap;
    }
}

/// <summary>One life of a silo. After its death it stores nothing, calls no pod and hears no message; what it had in hand is stopped.</summary>
internal sealed class CrashLife(CrashPlan plan) : IDisposable
{
    private readonly CancellationTokenSource death = new();
    private readonly TaskCompletionSource died = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Death => died.Task;

    public bool IsDead => died.Task.IsCompleted;

    /// <summary>Lets one thing pass, or does to it what the plan says.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="act">Carries it out; may be called twice. Its token ends with this life.</param>
    /// <param name="fail">Makes the failure from its reason.</param>
    public async Task<T> PassAsync<T>(CrashKind kind, Func<CancellationToken, Task<T>> act, Func<string, T> fail)
    {
        if (IsDead)
        {
            return fail("The silo is dead, on purpose.");
        }

        switch (plan.Next(kind))
        {
            case Mishap.Fails:
                return fail("It failed, on purpose.");
            case Mishap.LosesItsAnswer:
                await act(death.Token);
                return fail("Its answer was lost, on purpose.");
            case Mishap.ComesTwice:
                await act(death.Token);
                return await act(death.Token);
            case Mishap.DiesBefore:
                Die();
                return fail("The silo died before it, on purpose.");
            case Mishap.DiesAfter:
                await act(death.Token);
                Die();
                return fail("The silo died after it, on purpose.");
            default:
                var result = await act(death.Token);
                return IsDead ? fail("The silo died meanwhile, on purpose.") : result;
        }
    }

    public void Die()
    {
        died.TrySetResult();
        death.Cancel();
    }

    public void Dispose() => death.Dispose();
}
