namespace Orleans.ImageMgmt.Cli;

/// <summary>How imgctl ends, for scripts. The table in README.md and in <c>imgctl --help</c> is made from here and checked against it.</summary>
internal static class ExitCodes
{
    public const int Well = 0;

    /// <summary>The server did what was asked and it ended badly; also an answer that nobody expected.</summary>
    public const int Failed = 1;

    public const int Usage = 2;

    public const int NotReachable = 3;

    public const int NotAllowed = 4;

    public const int NotFound = 5;

    public const int Refused = 6;

    public const int PartiallySucceeded = 7;

    /// <summary>128 + SIGINT, as shells count.</summary>
    public const int Interrupted = 130;

    public static IReadOnlyList<(int Code, string Meaning)> All { get; } =
    [
        (Well, "all well"),
        (Failed, "the operation failed or was cancelled, or the server answered with a fault of its own"),
        (Usage, "the command line, the configuration or a value in the request cannot be used"),
        (NotReachable, "no server was found, or it does not answer"),
        (NotAllowed, "the token is missing, unknown, expired or lacks the role"),
        (NotFound, "an image, version, pod, operation or file that was named does not exist"),
        (Refused, "the server refused: a rule or a conflict with what is there stands against it"),
        (PartiallySucceeded, "the operation ended; some pods have the copy, some have not"),
        (Interrupted, "interrupted by Ctrl-C; what runs on the server goes on"),
    ];
}
