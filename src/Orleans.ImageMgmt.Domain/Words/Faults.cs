namespace Orleans.ImageMgmt.Domain;

/// <summary>Where in a connector's work a fault happened.</summary>
public enum FaultStage
{
    /// <summary>Asking whether the pod is there.</summary>
    Probe,

    /// <summary>Listing what could be imported.</summary>
    ListSources,

    /// <summary>Sealing a source on its pod.</summary>
    Prepare,

    /// <summary>Opening a sealed copy for reading.</summary>
    Open,

    /// <summary>Taking chunks in.</summary>
    Receive,

    /// <summary>Making a copy durable and final.</summary>
    Finalise,

    /// <summary>Reading a copy back.</summary>
    Verify,

    /// <summary>Removing a copy.</summary>
    Delete,

    /// <summary>Listing the copies that are really there.</summary>
    Inventory,
}

/// <summary>What kind of thing went wrong. <see cref="Faults.IsRetryable"/> decides from it alone whether trying again can help.</summary>
public enum FaultCause
{
    /// <summary>The pod, its share or its endpoint does not answer.</summary>
    Unreachable,

    /// <summary>It answered too slowly or stopped moving.</summary>
    TimedOut,

    /// <summary>The pod said no: credentials, permission, policy.</summary>
    Denied,

    /// <summary>Not enough room on the datastore.</summary>
    NoRoom,

    /// <summary>The datastore cannot be written.</summary>
    ReadOnly,

    /// <summary>The source is not there.</summary>
    SourceMissing,

    /// <summary>The source changed while it was read.</summary>
    SourceChanged,

    /// <summary>The source is not what it claims, or is a kind that cannot be taken.</summary>
    SourceUnusable,

    /// <summary>The bytes that came from the sending side do not match the manifest.</summary>
    SourceCorrupt,

    /// <summary>The bytes read back from the target do not match the manifest.</summary>
    TargetCorrupt,

    /// <summary>The digest that the caller expected is not the digest of what is there.</summary>
    DigestMismatch,

    /// <summary>The call carried an older generation than one already seen.</summary>
    Stale,

    /// <summary>The connector cannot do this at all.</summary>
    Unsupported,

    /// <summary>Stopped because somebody asked.</summary>
    Cancelled,

    /// <summary>An input or output error of the device or share.</summary>
    InputOutput,

    /// <summary>The pod's configuration cannot be used.</summary>
    Misconfigured,

    /// <summary>None of the above.</summary>
    Unexpected,
}

/// <summary>What a connector returns when the world did not play along: a value, never an exception across the contract.</summary>
/// <param name="Stage">Where.</param>
/// <param name="Cause">What kind; decides whether a retry can help.</param>
/// <param name="Detail">Evidence: the path, offset, sizes or answer, in one sentence.</param>
/// <param name="NextStep">What a person can do, in one sentence.</param>
[GenerateSerializer, Immutable, Alias(Aliases.ConnectorFault)]
public sealed record ConnectorFault(
    [property: Id(0)] FaultStage Stage,
    [property: Id(1)] FaultCause Cause,
    [property: Id(2)] string Detail,
    [property: Id(3)] string NextStep)
{
    /// <summary>Which bytes of a copy a read-back found wrong, where that is what went wrong.</summary>
    [Id(4)]
    public ContentDamage? Damage { get; init; }

    /// <summary>Stable code, such as <c>receive.no-room</c>.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Code => $"{Words.Kebab(Stage.ToString())}.{Words.Kebab(Cause.ToString())}";

    /// <summary>The code, the evidence and the next step, for logs.</summary>
    public override string ToString() => $"{Code}: {Detail} {NextStep}";
}

/// <summary>What causes have in common.</summary>
public static class Faults
{
    /// <summary>Whether the same call may succeed later without anybody changing anything.</summary>
    public static bool IsRetryable(FaultCause cause) => cause switch
    {
        FaultCause.Unreachable or FaultCause.TimedOut or FaultCause.NoRoom or FaultCause.ReadOnly
            or FaultCause.SourceCorrupt or FaultCause.TargetCorrupt or FaultCause.InputOutput or FaultCause.Unexpected => true,
        FaultCause.Denied or FaultCause.SourceMissing or FaultCause.SourceChanged or FaultCause.SourceUnusable
            or FaultCause.DigestMismatch or FaultCause.Stale or FaultCause.Unsupported or FaultCause.Cancelled
            or FaultCause.Misconfigured => false,
        _ => throw new NotSupportedException(cause.ToString()),
    };
}

/// <summary>An expected no: a value with a stable code, a sentence, and what to do next.</summary>
/// <param name="Code">Stable, such as <c>version.not-publishable</c>.</param>
/// <param name="Message">What was refused and why, naming the thing.</param>
/// <param name="Hint">The next step.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Refusal)]
public sealed record Refusal(
    [property: Id(0)] string Code,
    [property: Id(1)] string Message,
    [property: Id(2)] string Hint)
{
    /// <summary>The sentence, the next step and the code.</summary>
    public override string ToString() => $"{Message} {Hint} ({Code})";
}

/// <summary>Words of the code as people read them.</summary>
public static class Words
{
    /// <summary><c>PartiallyAvailable</c> becomes <c>Partially Available</c>: how a state is shown to people.</summary>
    public static string Shown(Enum state) => Split(state.ToString(), ' ');

    internal static string Kebab(string pascal) => Split(pascal, '-').ToLowerInvariant();

    private static string Split(string pascal, char separator) =>
        string.Concat(pascal.Select((c, i) => i > 0 && char.IsUpper(c) ? $"{separator}{c}" : c.ToString()));
}
