namespace Orleans.ImageMgmt.Content;

/// <summary>How much a block server does at once. One read is at most 2 MiB, so that the memory for bodies is bounded by <see cref="ReadsAtOnce"/>.</summary>
public sealed record BlockLimits
{
    /// <summary>Reads under way with one ticket, from the disk until the last byte is sent. Default: 8: twice as many as a receiver's connections.</summary>
    public int ReadsPerTicket { get; init; } = 8;

    /// <summary>Reads under way in all. Default: 32: 64 MiB of memory at most, and enough to keep any disk busy.</summary>
    public int ReadsAtOnce { get; init; } = 32;

    /// <summary>Reads that wait for their turn; more are refused. Default: 256.</summary>
    public int Waiting { get; init; } = 256;

    /// <summary>Longest wait for a turn, and for a copy to be opened. Default: 10 s: shorter than any receiver's patience.</summary>
    public TimeSpan TurnWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Copies open at once. Default: 64: each is a file and a manifest of up to 4 MiB, mostly far less.</summary>
    public int OpenCopies { get; init; } = 64;

    /// <summary>How long a copy stays open before it is looked up again: a copy that was deleted or found damaged is served no longer than this. Default: 2 min.</summary>
    public TimeSpan OpenFor { get; init; } = TimeSpan.FromMinutes(2);
}
