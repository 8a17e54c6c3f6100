namespace Orleans.ImageMgmt.Content;

/// <summary>What kind of no it is, for whoever has to say it in a protocol.</summary>
public enum BlockRefusalKind
{
    /// <summary>No ticket, or none that counts: ask the service for one.</summary>
    NotKnown,

    /// <summary>A ticket for something or somebody else.</summary>
    NotAllowed,

    /// <summary>The copy is not here.</summary>
    NotThere,

    /// <summary>The question makes no sense.</summary>
    Malformed,

    /// <summary>The range lies outside the content.</summary>
    OutOfRange,

    /// <summary>One ticket asks too much at once.</summary>
    TooMuchAtOnce,

    /// <summary>Everything is in use: ask again soon.</summary>
    Busy,
}

/// <summary>Why a question is not answered: a stable code and one sentence that says what to do.</summary>
public sealed record BlockRefusal(BlockRefusalKind Kind, string Code, string Sentence)
{
    public static BlockRefusal NoTicket { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-missing", "A ticket is needed: ask the service that keeps the catalog.");

    public static BlockRefusal Unreadable { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-unreadable", "The ticket cannot be read: ask the service for a new one.");

    public static BlockRefusal Altered { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-altered", "The ticket's signature is wrong: ask the service for a new one.");

    public static BlockRefusal Stranger { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-issuer", "Whoever signed the ticket may not issue tickets here: both sides need the same authority (Trust:Authority).");

    public static BlockRefusal Expired { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-expired", "The ticket has expired: ask the service for a new one. If it is new, compare the clocks of both machines.");

    public static BlockRefusal Early { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-early", "The ticket is not good yet: compare the clocks of both machines.");

    public static BlockRefusal TooLong { get; } = new(BlockRefusalKind.NotKnown, "blocks.ticket-life", "The ticket is good for longer than this server accepts: shorten Blocks:TicketLife at the service.");

    public static BlockRefusal OtherReceiver { get; } = new(BlockRefusalKind.NotAllowed, "blocks.ticket-receiver", "The ticket is for another receiver than the certificate of this connection names.");

    public static BlockRefusal OtherContent { get; } = new(BlockRefusalKind.NotAllowed, "blocks.ticket-content", "The ticket is for another content.");

    public static BlockRefusal OtherUse { get; } = new(BlockRefusalKind.NotAllowed, "blocks.ticket-use", "The ticket is for another kind of reading.");

    public static BlockRefusal NoCopy { get; } = new(BlockRefusalKind.NotThere, "blocks.no-copy", "No verified copy of this content is on a pod that this process serves.");

    public static BlockRefusal NoBlocks { get; } = new(BlockRefusalKind.NotThere, "blocks.plain-only", "This pod's copies can be read by range, and not by block.");

    public static BlockRefusal OutOfRange { get; } = new(BlockRefusalKind.OutOfRange, "blocks.out-of-range", "The range does not lie inside the content.");

    public static BlockRefusal TooManyReads { get; } = new(BlockRefusalKind.TooMuchAtOnce, "blocks.too-many-reads", "This ticket has too many reads under way: wait for one to end.");

    public static BlockRefusal Busy { get; } = new(BlockRefusalKind.Busy, "blocks.busy", "Too many reads are under way here: ask again in a moment.");

    public static BlockRefusal Malformed(string sentence) => new(BlockRefusalKind.Malformed, "blocks.malformed", sentence);

    public static BlockRefusal TooLarge(string sentence) => new(BlockRefusalKind.Malformed, "blocks.batch-too-large", sentence);

    public static BlockRefusal Unusable(string sentence) => new(BlockRefusalKind.Busy, "blocks.copy-unusable", sentence);
}
