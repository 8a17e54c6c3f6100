namespace Orleans.ImageMgmt.Domain;

/// <summary>
/// Who gives which piece of one content to whom, so that the source pod's uplink carries little more than one image however many pods want
/// it. Everybody may give what they hold; the piece that is rarest goes first; near pods (same site, then same region) are preferred; the
/// source pod gives each piece once, and later only what nobody else can give.
/// </summary>
/// <remarks>Pure: no clock, and no randomness but the seed. What it knows is what it was told, so it can be built again by telling it again;
/// for 10,000 pods and 256 pieces it takes about 5 MB. The simulation and the service run this very code.</remarks>
internal sealed partial class Swarm
{
    /// <summary>How much one measured piece counts against those before it.</summary>
    private const double NewShare = 0.01;

    private readonly List<SwarmPeer> peers = [];
    private readonly List<int> origins = [];
    private readonly List<SwarmGrant> grants = [];
    private readonly NearPools givers = new();
    private readonly NearPools waiting = new();
    private readonly SwarmLimits limits;
    private readonly Rarity rarity;
    private ulong draws;
    private long originGrants;
    private double typical; // seconds for a piece

    public Swarm(int pieces, ulong seed, SwarmLimits limits)
    {
        Pieces = pieces;
        this.limits = limits;
        rarity = new Rarity(pieces);
        draws = seed | 1;
    }

    public int Pieces { get; }

    public int Peers => peers.Count;

    /// <summary>A pod takes part. Returns its number. One that cannot give only takes.</summary>
    public int Join(SwarmPlace place, bool isOrigin, bool gives = true)
    {
        var peer = new SwarmPeer(peers.Count, place, isOrigin, Pieces, limits) { IsCounted = gives, Gives = gives };
        peers.Add(peer);
        if (isOrigin)
        {
            peer.Held.Fill();
            origins.Add(peer.Number);
        }

        return peer.Number;
    }

    /// <summary>The pod holds these pieces, verified. A sign of life.</summary>
    public void Holds(int peer, PieceSet pieces)
    {
        var p = peers[peer];
        p.IsGone = false;
        p.Failures = 0;
        for (var piece = 0; piece < Pieces; piece++)
        {
            if (pieces.Has(piece))
            {
                Got(p, piece);
            }
        }

        Pool(p);
        Offer(p);
    }

    /// <summary>The pod fills in these pieces, or some of each, from copies of its own, or has yet to read them back: they are not named to it until a later word says that it does not any more.
    /// One that was asked of somebody has come: whoever gave it is free for others.</summary>
    public void Fills(int peer, PieceSet? pieces)
    {
        var p = peers[peer];
        if (pieces is null && p.Excluded.Count == p.Coming.Count)
        {
            return;
        }

        List<SwarmPeer> freed = [];
        for (var piece = 0; piece < Pieces; piece++)
        {
            if (p.Held.Has(piece) || (p.Coming.ContainsKey(piece) && pieces?.Has(piece) is not true))
            {
                continue;
            }

            if (pieces is not null && pieces.Has(piece))
            {
                if (Drop(p, piece) is { } source)
                {
                    p.Came.Add(piece);
                    rarity.Change(piece, 1);
                    freed.Add(source);
                }

                p.Excluded.Add(piece);
            }
            else
            {
                Forget(p, piece);
                p.Excluded.Remove(piece);
            }
        }

        freed.ForEach(Freed);
        Match(p);
    }

    /// <summary>The pod wants to be told of so many pieces more to ask for, beside those that it was told of.</summary>
    public void Wants(int peer, int pieces)
    {
        var p = peers[peer];
        p.IsGone = false;
        p.Wanted = Math.Clamp(pieces, 0, limits.DownlinkSlots);
        Match(p);
    }

    /// <summary>The pieces that were granted since the last call.</summary>
    public IReadOnlyList<SwarmGrant> TakeGrants()
    {
        List<SwarmGrant> taken = [.. grants];
        grants.Clear();
        return taken;
    }

    /// <summary>A granted piece arrived after so many seconds and was verified.</summary>
    public void Arrived(int peer, int piece, double seconds)
    {
        var p = peers[peer];
        if (p.Coming.TryGetValue(piece, out var from))
        {
            var source = peers[from];
            source.Failures = 0;
            typical = typical == 0 ? seconds : (typical * (1 - NewShare)) + (seconds * NewShare);
            source.Measured(seconds, typical);
            Got(p, piece);
            Pool(p);
            Freed(source);
        }
        else
        {
            Got(p, piece);
            Pool(p);
        }

        Offer(p);
    }

    /// <summary>A source did not give a granted piece: it is gone or refuses. The receiver is sent to somebody else for it, where there is anybody, and will not
    /// be sent there again.</summary>
    public void Failed(int peer, int piece)
    {
        var p = peers[peer];
        if (Drop(p, piece) is { } source)
        {
            p.Avoid(source.Number);
            source.Failures += source.IsOrigin ? 0 : 1;
            Freed(source);
            if (!p.IsGone && OtherFor(p, source, piece) is { } other)
            {
                p.Wanted++;
                Grant(p, other, piece);
            }
        }
    }

    /// <summary>A granted piece is not there after so long, which the receiver finds long. When somebody else can give it, a new grant names them,
    /// and the old one is void.</summary>
    public void Late(int peer, int piece, double seconds)
    {
        var p = peers[peer];
        if (!p.Coming.TryGetValue(piece, out var from))
        {
            return;
        }

        var late = peers[from];
        late.Measured(seconds, typical);
        Pool(late);
        if ((late.Serves && !HasAskedAll(p)) || OtherFor(p, late, piece) is not { } other)
        {
            return; // busy, not slow, and the receiver has other things to do; or there is nobody better
        }

        Drop(p, piece);
        p.Wanted++;
        Grant(p, other, piece);
        Freed(late);
    }

    /// <summary>A source gave wrong bytes. True when it is set aside for everybody; a receiver that accuses many is believed only for itself.</summary>
    public bool Lied(int peer, int source)
    {
        var (p, s) = (peers[peer], peers[source]);
        p.Avoid(source);
        foreach (var piece in p.Coming.Where(c => c.Value == source).Select(c => c.Key).ToList())
        {
            Drop(p, piece); // the source pod gives the rest of it
        }

        Freed(s);
        if (!p.Accuses(source) || s.IsOrigin || s.IsAside)
        {
            return false;
        }

        s.IsAside = true;
        Pool(s);
        return true;
    }

    /// <summary>The pod takes and gives nothing any more until it says something.</summary>
    public void Leaves(int peer)
    {
        var p = peers[peer];
        p.IsGone = true;
        p.Wanted = 0;
        foreach (var piece in p.Coming.Keys.ToList())
        {
            if (Drop(p, piece) is { } source)
            {
                Freed(source);
            }
        }

        foreach (var piece in p.Came.ToList())
        {
            Forget(p, piece);
        }

        Pool(p);
        Wait(p);
    }

    /// <summary>A piece that came is held now, or was not right.</summary>
    private void Forget(SwarmPeer p, int piece)
    {
        if (p.Came.Remove(piece))
        {
            rarity.Change(piece, -1);
        }
    }

    private void Match(SwarmPeer p)
    {
        Wait(p);
        while (p.Wanted > 0 && TryMatch(p))
        {
        }
    }

    private void Got(SwarmPeer p, int piece)
    {
        if (Drop(p, piece) is { } source)
        {
            Pool(source);
        }

        Forget(p, piece);
        p.Excluded.Remove(piece);

        if (p.Held.Add(piece) && p is { IsOrigin: false, IsCounted: true })
        {
            rarity.Change(piece, 1);
        }
    }

    /// <summary>Takes a piece out of what is coming; its source has a slot again.</summary>
    private SwarmPeer? Drop(SwarmPeer p, int piece)
    {
        if (!p.Coming.Remove(piece, out var from))
        {
            return null;
        }

        p.Excluded.Remove(piece);
        rarity.Change(piece, -1);
        Wait(p);
        var source = peers[from];
        source.FreeUp++;
        return source;
    }

    private void Freed(SwarmPeer source)
    {
        Pool(source);
        Offer(source);
    }

    /// <summary>After a change of what it may give. Pieces that only pods hold which do not serve count as held by nobody: the source pod gives them.</summary>
    private void Pool(SwarmPeer p)
    {
        if (p.IsOrigin)
        {
            return;
        }

        givers.Set(p.Number, p.Place, p.CanGive);
        if (p.IsCounted == p.Serves)
        {
            return;
        }

        p.IsCounted = p.Serves;
        for (var piece = 0; piece < Pieces; piece++)
        {
            if (p.Held.Has(piece))
            {
                rarity.Change(piece, p.IsCounted ? 1 : -1);
            }
        }
    }

    private void Wait(SwarmPeer p) => waiting.Set(p.Number, p.Place, p.Wanted > 0 && !p.IsGone && !HasAskedAll(p));

    private bool HasAskedAll(SwarmPeer p) => p.Held.Count + p.Excluded.Count == Pieces;

    private void Grant(SwarmPeer receiver, SwarmPeer source, int piece)
    {
        receiver.Wanted--;
        receiver.Coming[piece] = source.Number;
        receiver.Excluded.Add(piece);
        rarity.Change(piece, 1);
        source.FreeUp--;
        originGrants += source.IsOrigin ? 1 : 0;
        Pool(source);
        Wait(receiver);
        grants.Add(new SwarmGrant(receiver.Number, source.Number, piece));
    }

    private uint Draw()
    {
        draws ^= draws << 13;
        draws ^= draws >> 7;
        draws ^= draws << 17;
        return (uint)(draws >> 32);
    }
}
