namespace Orleans.ImageMgmt.Host;

/// <summary>Backups of the running service (section <c>Backup</c>).</summary>
internal sealed class BackupOptions
{
    /// <summary>Backups without a name of the caller's that are kept; when one more is made, the oldest goes. One that a caller named stays until somebody
    /// removes its file. Default: 14: two weeks of one a day.</summary>
    public int Keep { get; set; } = 14;

    /// <summary>Every fault of these settings, in one sentence each; empty when they are good.</summary>
    public IReadOnlyList<string> Faults() => Keep is >= 1 and <= 1_000 ? [] : [$"{nameof(Keep)} is {Keep}; it must be from 1 to 1000."];
}
