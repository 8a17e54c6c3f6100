using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>How a connector call ended: a closed family of three.</summary>
public abstract record ConnectorResult<T>
{
    private ConnectorResult()
    {
    }

    /// <summary>Finished.</summary>
    public sealed record Done(T Value) : ConnectorResult<T>;

    /// <summary>The platform (or an earlier call for the same version) is still at it; make the same call again after the delay.</summary>
    /// <param name="AskAgainAfter">How long to wait.</param>
    /// <param name="Hint">What it is doing, for people.</param>
    /// <param name="IsMoving">The platform is known to be at work on it. False where only somebody else's call is in the way: one that hangs
    /// must not look like progress.</param>
    public sealed record InProgress(TimeSpan AskAgainAfter, string Hint, bool IsMoving = true) : ConnectorResult<T>;

    /// <summary>The world did not play along.</summary>
    public sealed record Failed(ConnectorFault Fault) : ConnectorResult<T>;

    public static implicit operator ConnectorResult<T>(T value) => new Done(value);

    public static implicit operator ConnectorResult<T>(ConnectorFault fault) => new Failed(fault);

    /// <summary>The same ending for a call whose value is of another type. Only for endings without a value.</summary>
    /// <exception cref="InvalidOperationException">The call is <see cref="Done"/>.</exception>
    public ConnectorResult<TOther> As<TOther>() => this switch
    {
        Failed failed => new ConnectorResult<TOther>.Failed(failed.Fault),
        InProgress waits => new ConnectorResult<TOther>.InProgress(waits.AskAgainAfter, waits.Hint, waits.IsMoving),
        _ => throw new InvalidOperationException("A finished call carries a value of its own type."),
    };
}
