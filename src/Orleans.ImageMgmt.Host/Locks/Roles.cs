using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Names of the authorization policies, one per role. Each role may do what the ones before it may.</summary>
internal static class Roles
{
    /// <summary>Reads everything but secrets.</summary>
    public const string Viewer = "viewer";

    /// <summary>Runs pods (connect, label, drain, disconnect) and operations (cancel, retry, pause).</summary>
    public const string Operator = "operator";

    /// <summary>Imports, uploads, publishes, disables, enables, deletes.</summary>
    public const string Publisher = "publisher";

    /// <summary>Keeps tokens, backups and support bundles.</summary>
    public const string Administrator = "administrator";

    public static IReadOnlyList<string> All { get; } = [Viewer, Operator, Publisher, Administrator];

    public static string Of(Role role) => All[(int)role];

    /// <summary>The roles that may do what this one may.</summary>
    public static IEnumerable<string> From(string role) => All.SkipWhile(r => r != role);
}
