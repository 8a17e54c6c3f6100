using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>The caps of pods and links as buckets of one <see cref="RateGate"/>, shared by all transfers of a process.</summary>
public sealed class PodRates(RateGate gate)
{
    private readonly Lock keeping = new();
    private readonly Dictionary<PodName, PodCaps> known = [];
    private readonly Dictionary<PodName, long> sending = []; // when each was asked last

    /// <summary>Whether this machine knows a zone by its IANA id. Null stands for UTC.</summary>
    public static bool TryFindZone(string? id, out TimeZoneInfo zone)
    {
        if (id is null)
        {
            zone = TimeZoneInfo.Utc;
            return true;
        }

        if (TimeZoneInfo.TryFindSystemTimeZoneById(id, out var found) && found.HasIanaId)
        {
            zone = found;
            return true;
        }

        zone = TimeZoneInfo.Utc;
        return false;
    }

    /// <summary>Every fault of these caps, the zone's too, by field.</summary>
    public static IReadOnlyList<(string Field, string Fault)> FaultsOf(PodCaps caps) => TryFindZone(caps.TimeZone, out _)
        ? PodCaps.FaultsOf(caps)
        : [.. PodCaps.FaultsOf(caps), (nameof(PodCaps.TimeZone), $"'{caps.TimeZone}' is no time zone that this machine knows; an IANA id such as Europe/Berlin is expected")];

    /// <summary>Takes over a pod's caps; what is under way runs by them from here on.</summary>
    public void Set(PodName pod, PodCaps? caps)
    {
        caps ??= PodCaps.None;
        lock (keeping)
        {
            var before = known.GetValueOrDefault(pod) ?? PodCaps.None;
            if (before == caps)
            {
                return;
            }

            if (caps == PodCaps.None)
            {
                known.Remove(pod);
            }
            else
            {
                known[pod] = caps;
            }

            if (before.Link is { } left && left != caps.Link)
            {
                gate.Set(LinkOf(left), pod.Value, null);
            }

            gate.Set(InOf(pod), pod.Value, RateOf(caps.In, caps));
            gate.Set(OutOf(pod), pod.Value, RateOf(caps.Out, caps));
            if (caps.Link is { } link)
            {
                gate.Set(LinkOf(link), pod.Value, RateOf(caps.LinkRate, caps));
            }
        }
    }

    /// <summary>What goes out from a pod and over a link is used by transfers in every process of a cluster; what comes to a pod only by those of one.</summary>
    /// <param name="hungers">See <see cref="RateGate.Share"/>.</param>
    internal void Share(Action hungers) => gate.Share(static bucket => !bucket.StartsWith("in/", StringComparison.Ordinal), hungers);

    /// <summary>Pods from which bytes were wanted within the time given, or for the first time.</summary>
    internal IReadOnlyList<PodName> Sending(TimeSpan within)
    {
        lock (keeping)
        {
            foreach (var pod in sending.Where(s => gate.Time.GetElapsedTime(s.Value) > within).Select(s => s.Key).ToList())
            {
                sending.Remove(pod);
            }

            return [.. sending.Keys];
        }
    }

    /// <summary>For one transfer. Between two pods of one link nothing goes over it.</summary>
    public RatePass Open(PodName from, PodName to, bool isUrgent) => gate.Open(() => WayOf(from, to), isUrgent);

    private List<string> WayOf(PodName from, PodName to)
    {
        lock (keeping)
        {
            sending[from] = gate.Time.GetTimestamp();
            var (source, target) = (known.GetValueOrDefault(from)?.Link, known.GetValueOrDefault(to)?.Link);
            List<string> way = [OutOf(from), InOf(to)];
            if (source != target)
            {
                way.AddRange(new[] { source, target }.OfType<string>().Select(LinkOf));
            }

            return way;
        }
    }

    /// <summary>How fast a cap runs now, in bytes a second; null: no cap.</summary>
    public static long? Now(string? calendar, PodCaps caps, DateTimeOffset now) => RateOf(calendar, caps)?.Invoke(now);

    private static Func<DateTimeOffset, long?>? RateOf(string? text, PodCaps caps)
    {
        if (text is null || !RateCalendar.TryParse(text, out var calendar, out _))
        {
            return null;
        }

        TryFindZone(caps.TimeZone, out var zone);
        return now => calendar.RateAt(now, zone);
    }

    private static string InOf(PodName pod) => $"in/{pod}";

    private static string OutOf(PodName pod) => $"out/{pod}";

    private static string LinkOf(string link) => $"link/{link}";
}
