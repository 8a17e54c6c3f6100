namespace Orleans.ImageMgmt.Domain;

/// <summary>How fast bytes may travel to and from a pod. Each rate is a calendar as <see cref="RateCalendar"/> reads it; null = no cap.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.PodCaps)]
public sealed record PodCaps
{
    /// <summary>Longest name of a link.</summary>
    public const int LinkLength = 64;

    /// <summary>Nothing is capped.</summary>
    public static PodCaps None { get; } = new();

    /// <summary>What travels to the pod, all its transfers together.</summary>
    [Id(0)] public string? In { get; init; }

    /// <summary>What travels from the pod, to all others together.</summary>
    [Id(1)] public string? Out { get; init; }

    /// <summary>Name of the link over which the pod is reached; pods that name the same link share it. Between two of them nothing goes over it.</summary>
    [Id(2)] public string? Link { get; init; }

    /// <summary>What travels over the link in both directions, all transfers of all its pods together. Where its pods say different rates, the lowest counts.</summary>
    [Id(3)] public string? LinkRate { get; init; }

    /// <summary>IANA id of the zone in whose time the calendars are written, such as <c>Europe/Berlin</c>; null = UTC.</summary>
    [Id(4)] public string? TimeZone { get; init; }

    /// <summary>Everything that is wrong with these caps, by field. Whether the zone exists is the machine's to know and not looked at here.</summary>
    /// <param name="caps">The caps.</param>
    /// <returns>The property's name, and what is wrong with it.</returns>
    public static IReadOnlyList<(string Field, string Fault)> FaultsOf(PodCaps caps)
    {
        var faults = new List<(string, string)>();
        Calendar(nameof(In), caps.In);
        Calendar(nameof(Out), caps.Out);
        Calendar(nameof(LinkRate), caps.LinkRate);
        if (caps.Link is { } link && (link.Length is 0 or > LinkLength || link.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))))
        {
            faults.Add((nameof(Link), $"the name of a link has 1 to {LinkLength} letters, digits, '-', '_' or '.'"));
        }

        if (caps.Link is null != caps.LinkRate is null)
        {
            faults.Add((nameof(LinkRate), "a link and its rate are set together"));
        }

        return faults;

        void Calendar(string field, string? text)
        {
            if (text is not null && !RateCalendar.TryParse(text, out _, out var fault))
            {
                faults.Add((field, fault));
            }
        }
    }
}
