namespace Orleans.ImageMgmt.Domain;

/// <summary>Peers of one kind, in no order; adding, removing and looking at some of them costs the same however many there are.</summary>
internal sealed class PeerPool
{
    private readonly List<int> peers = [];
    private readonly Dictionary<int, int> places = [];

    public int Count => peers.Count;

    public int this[int at] => peers[at];

    public void Add(int peer)
    {
        if (places.TryAdd(peer, peers.Count))
        {
            peers.Add(peer);
        }
    }

    public void Remove(int peer)
    {
        if (!places.Remove(peer, out var at))
        {
            return;
        }

        var last = peers[^1];
        peers.RemoveAt(peers.Count - 1);
        if (last != peer)
        {
            peers[at] = last;
            places[last] = at;
        }
    }
}

/// <summary>The same peers three times: by site, by region, and all, so that near ones are found without looking at far ones.</summary>
internal sealed class NearPools
{
    private readonly Dictionary<string, PeerPool> sites = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PeerPool> regions = new(StringComparer.Ordinal);

    public PeerPool All { get; } = new();

    public void Set(int peer, SwarmPlace place, bool isIn)
    {
        foreach (var pool in Nearest(place))
        {
            if (isIn)
            {
                pool.Add(peer);
            }
            else
            {
                pool.Remove(peer);
            }
        }
    }

    /// <summary>Nearest first; a place without a label has no near ones.</summary>
    public IEnumerable<PeerPool> Nearest(SwarmPlace place)
    {
        if (place.Site.Length > 0)
        {
            yield return In(sites, place.Region + "\n" + place.Site);
        }

        if (place.Region.Length > 0)
        {
            yield return In(regions, place.Region);
        }

        yield return All;
    }

    private static PeerPool In(Dictionary<string, PeerPool> pools, string key)
    {
        if (!pools.TryGetValue(key, out var pool))
        {
            pools[key] = pool = new PeerPool();
        }

        return pool;
    }
}
