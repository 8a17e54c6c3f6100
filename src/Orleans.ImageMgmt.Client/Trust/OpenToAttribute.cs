namespace Orleans.ImageMgmt.Client;

/// <summary>A method that callers of the gateway may call, and the least role that they need. A method without it is for the service itself.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OpenToAttribute(string role) : Attribute
{
    public string Role { get; } = role;
}

/// <summary>What a caller of the gateway may do. Each role may do what the ones before it may.</summary>
internal static class CallerRoles
{
    /// <summary>Reads.</summary>
    public const string Viewer = "viewer";

    /// <summary>Also runs pods and operations.</summary>
    public const string Operator = "operator";

    /// <summary>Also imports, publishes, disables, enables and deletes.</summary>
    public const string Publisher = "publisher";

    /// <summary>Everything.</summary>
    public const string Administrator = "administrator";

    public static IReadOnlyList<string> All { get; } = [Viewer, Operator, Publisher, Administrator];

    /// <summary>Whether a role is enough where another is needed; a role that is none allows nothing.</summary>
    public static bool Allows(string role, string needed) => Rank(role) >= 0 && Rank(role) >= Rank(needed);

    private static int Rank(string role) => All.ToList().IndexOf(role);
}
