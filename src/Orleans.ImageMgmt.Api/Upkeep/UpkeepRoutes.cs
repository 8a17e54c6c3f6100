namespace Orleans.ImageMgmt.Api;

/// <summary>The paths that operators and their programs use.</summary>
public static class UpkeepRoutes
{
    /// <summary>Liveness: the only path that wants no token.</summary>
    public const string Live = "/livez";

    /// <summary>Readiness.</summary>
    public const string Ready = "/readyz";

    /// <summary>Metrics as Prometheus text.</summary>
    public const string Metrics = "/metrics";

    /// <summary>Which program this is.</summary>
    public const string Version = Routes.Root + "/version";

    /// <summary>How the service stands.</summary>
    public const string Status = Routes.Root + "/status";

    /// <summary>What a person who helps needs to know, without secrets.</summary>
    public const string SupportBundle = Routes.Root + "/support-bundle";

    /// <summary>Makes a backup and sends it.</summary>
    public const string Backups = Routes.Root + "/backups";
}
