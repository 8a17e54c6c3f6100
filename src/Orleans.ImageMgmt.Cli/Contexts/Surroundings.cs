namespace Orleans.ImageMgmt.Cli;

/// <summary>What imgctl takes from the environment: variables and the folders that they name.</summary>
internal sealed class Surroundings(Func<string, string?> variable)
{
    public static Surroundings OfProcess { get; } = new(Environment.GetEnvironmentVariable);

    public string? Url => Get("IMGCTL_URL");

    public string? Token => Get("IMGCTL_TOKEN");

    public string? Context => Get("IMGCTL_CONTEXT");

    /// <summary>How long the tab key waits for the server's names, 1 to 60 seconds. Default: 1 s; a person waits with a finger on the key.</summary>
    public TimeSpan CompletionPatience => TimeSpan.FromSeconds(int.TryParse(Get("IMGCTL_COMPLETION_TIMEOUT"), out var seconds) ? Math.Clamp(seconds, 1, 60) : 1);

    public bool WantsNoColour => Get("NO_COLOR") is not null;

    /// <summary>Where the contexts are kept.</summary>
    public string ContextPath => Path.Combine(Get("XDG_CONFIG_HOME") ?? Path.Combine(Home, ".config"), "imgctl", "config.json");

    /// <summary>The server's data folder on this machine, as <c>imgmt serve</c> chooses it.</summary>
    public string DataFolder => Get("IMGMT_DATA") ?? Path.Combine(Get("XDG_DATA_HOME") ?? Path.Combine(Home, ".local", "share"), "imgmt");

    private string Home => Get("HOME") ?? "/";

    private string? Get(string name) => variable(name) is { Length: > 0 } value ? value : null;
}
