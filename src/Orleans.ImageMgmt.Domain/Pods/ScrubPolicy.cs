namespace Orleans.ImageMgmt.Domain;

/// <summary>How available copies are read back again, so that silent damage is found before somebody boots from it.</summary>
/// <param name="Every">Between two read-backs of one copy; 0 = never. Default: 30 days.</param>
/// <param name="BytesPerSecond">Bytes that the scrub of one pod reads in a second. Default: 32 MiB: a tenth of what one disk gives.</param>
/// <param name="Concurrency">Copies that one silo scrubs at once, over all its pods. Default: 1.</param>
/// <param name="From">Local time of day from which a scrub may begin. Default: 0 s: midnight.</param>
/// <param name="Until">Local time of day from which none begins any more; the same as From = all day. Default: 0 s.</param>
public sealed record ScrubPolicy(TimeSpan Every, long BytesPerSecond, int Concurrency, TimeSpan From, TimeSpan Until)
{
    /// <summary>Copies that one look at a pod gives the scrub to do; what is left is found by the next look.</summary>
    public const int DueAtOnce = 1_000;

    /// <summary>What holds unless the configuration says otherwise.</summary>
    public static ScrubPolicy Default { get; } = new(TimeSpan.FromDays(30), 32L << 20, 1, TimeSpan.Zero, TimeSpan.Zero);

    /// <summary>Whether copies are scrubbed at all.</summary>
    public bool IsOn => Every > TimeSpan.Zero;

    /// <summary>Between two looks at a pod when the first one left something undone: a pod that is away is not asked all day long.</summary>
    public TimeSpan LookAgain => Every / 24 < TimeSpan.FromHours(1) ? Every / 24 : TimeSpan.FromHours(1);

    /// <summary>When a copy has to be read back again.</summary>
    public DateTimeOffset DueAt(Receipt receipt) => receipt.VerifiedAt + Every;

    /// <summary>When the next scrub may begin, at or after now; <paramref name="now"/> carries the local offset.</summary>
    public DateTimeOffset OpensAt(DateTimeOffset now)
    {
        if (From == Until)
        {
            return now;
        }

        var day = now.TimeOfDay;
        var isOpen = From < Until ? day >= From && day < Until : day >= From || day < Until;
        return isOpen ? now : now + (day < From ? From - day : From + TimeSpan.FromDays(1) - day);
    }
}
