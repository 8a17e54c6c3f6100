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

    /// <summary>The platform is still at it; make the same call again after the delay.</summary>
    /// <param name="AskAgainAfter">How long to wait.</param>
    /// <param name="Hint">What it is doing, for people.</param>
    public sealed record InProgress(TimeSpan AskAgainAfter, string Hint) : ConnectorResult<T>;

    /// <summary>The world did not play along.</summary>
    public sealed record Failed(ConnectorFault Fault) : ConnectorResult<T>;

    public static implicit operator ConnectorResult<T>(T value) => new Done(value);

    public static implicit operator ConnectorResult<T>(ConnectorFault fault) => new Failed(fault);
}
