namespace Orleans.ImageMgmt.Domain;

/// <summary>What a machine answers to a command: events to apply (none = nothing to do, the command was a repeat), or a refusal.</summary>
/// <remarks>The decider shape is Jérémie Chassaing's; see ARCHITECTURE.md.</remarks>
/// <param name="Events">What happened, in order; empty when nothing is to do or it is refused.</param>
/// <param name="Refusal">Why not; null when it is not refused.</param>
public readonly record struct Decision<TEvent>(IReadOnlyList<TEvent> Events, Refusal? Refusal)
{
    /// <summary>Nothing is to do: the command was a repeat.</summary>
    public static Decision<TEvent> Nothing { get; } = new([], null);

    /// <summary>These happened, in order.</summary>
    public static Decision<TEvent> Of(params TEvent[] events) => new(events, null);

    /// <summary>A no, with a stable code, a sentence and the next step.</summary>
    public static Decision<TEvent> Refuse(string code, string message, string hint) => new([], new Refusal(code, message, hint));

    /// <summary>Whether it is a no.</summary>
    public bool IsRefused => Refusal is not null;
}
