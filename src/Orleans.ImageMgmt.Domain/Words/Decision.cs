namespace Orleans.ImageMgmt.Domain;

/// <summary>What a machine answers to a command: events to apply (none = nothing to do, the command was a repeat), or a refusal.</summary>
/// <remarks>The decider shape is Jérémie Chassaing's; see ARCHITECTURE.md.</remarks>
public readonly record struct Decision<TEvent>(IReadOnlyList<TEvent> Events, Refusal? Refusal)
{
    public static Decision<TEvent> Nothing { get; } = new([], null);

    public static Decision<TEvent> Of(params TEvent[] events) => new(events, null);

    public static Decision<TEvent> Refuse(string code, string message, string hint) => new([], new Refusal(code, message, hint));

    public bool IsRefused => Refusal is not null;
}
