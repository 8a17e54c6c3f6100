namespace Orleans.ImageMgmt.Cli;

/// <summary>Colour, for terminals that want it. A colour never says more than the word it is on.</summary>
internal sealed class Paint(bool isOn)
{
    private const string Reset = "\e[0m";

    public static Paint None { get; } = new(false);

    public bool IsOn => isOn;

    public string Dim(string text) => Around("\e[2m", text);

    public string Bad(string text) => Around("\e[31m", text);

    /// <summary>The text in the colour of the state that it shows; other texts as they are.</summary>
    public string State(string state, string text) => KindOf(state) switch
    {
        StateKind.Good => Around("\e[32m", text),
        StateKind.Bad => Around("\e[31m", text),
        StateKind.Moving => Around("\e[33m", text),
        _ => text,
    };

    internal static StateKind KindOf(string state) => state switch
    {
        "Available" or "Connected" or "Succeeded" or "Active" or "Deployment Complete" => StateKind.Good,
        "Failed" or "Unreachable" or "Quarantined" or "Partially Available" or "Partially Succeeded" or "Expired" or "Revoked" => StateKind.Bad,
        "Accepted" or "Running" or "Paused" or "Pending" or "Preparing" or "Replicating" or "Finalising" or "Retry Pending" or "Importing"
            or "Publishing" or "Deleting" or "Connecting" or "Draining" => StateKind.Moving,
        _ => StateKind.None,
    };

    private string Around(string code, string text) => isOn && text.Length > 0 ? code + text + Reset : text;
}

/// <summary>What a state says at a glance.</summary>
internal enum StateKind
{
    None,
    Good,
    Moving,
    Bad,
}
