using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>What became of a cancel that was asked.</summary>
internal enum CancelWord
{
    None,

    /// <summary>Asked, and not accepted while it ran: it may have ended either way.</summary>
    Asked,

    /// <summary>Accepted while it ran.</summary>
    Accepted,
}

/// <summary>One request of the load that begins an operation, and what the service said to it.</summary>
internal sealed class Asked(OperationKind kind, string operation, string image, string? version, IReadOnlyList<string> pods)
{
    public OperationKind Kind => kind;

    /// <summary>The operation's id: the request's idempotency key.</summary>
    public string Operation => operation;

    public string Image => image;

    public string? Version => version;

    /// <summary>The pods that it names; none: all.</summary>
    public IReadOnlyList<string> Pods => pods;

    public bool IsAccepted { get; set; }

    /// <summary>The code of the refusal.</summary>
    public string? Refused { get; set; }

    /// <summary>How often nobody answered before somebody did: what came of those tries is not known.</summary>
    public int Unanswered { get; set; }

    public CancelWord Cancel { get; set; }

    public override string ToString() => $"{kind} {operation} of {image}/{version}{(Unanswered > 0 ? $" (answered at try {Unanswered + 1})" : "")}";
}

/// <summary>All that the load has asked for: what the audit compares the end with.</summary>
internal sealed class ChaosBook
{
    private readonly Lock gate = new();
    private readonly List<Asked> asked = [];
    private readonly HashSet<string> doomed = [];
    private readonly Dictionary<string, string> sources = [];

    public IReadOnlyList<Asked> All
    {
        get
        {
            lock (gate)
            {
                return [.. asked];
            }
        }
    }

    public Asked Add(Asked request)
    {
        lock (gate)
        {
            asked.Add(request);
            return request;
        }
    }

    /// <summary>The disk that a version is imported from; noted before it is asked for.</summary>
    public void Source(string image, string version, string disk)
    {
        lock (gate)
        {
            sources[$"{image}/{version}"] = disk;
        }
    }

    public string? SourceOf(string image, string version)
    {
        lock (gate)
        {
            return sources.GetValueOrDefault($"{image}/{version}");
        }
    }

    /// <summary>From now on its copies may go; null: all versions.</summary>
    public void Doom(string image, string? version)
    {
        lock (gate)
        {
            doomed.Add($"{image}/{version}");
        }
    }

    public bool IsDoomed(string image, string version)
    {
        lock (gate)
        {
            return doomed.Contains($"{image}/{version}") || doomed.Contains($"{image}/");
        }
    }
}
