namespace Orleans.ImageMgmt.Domain;

/// <summary>
/// Who gives which piece of one content to whom, so that the source pod's uplink carries little more than one image however many pods want
/// it. Everybody may give what they hold; the piece that is rarest goes first; near pods (same site, then same region) are preferred; the
/// source pod gives each piece once, and later only what nobody else can give.
/// </summary>
/// <remarks>Pure: no clock, and no randomness but the seed. What it knows is what it was told, so it can be built again by telling it again;
/// for 10,000 pods and 256 pieces it takes about 5 MB. The simulation and the service run this very code.</remarks>
internal sealed class Swarm
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

    /// <summary>A pod takes part. Returns its number.</summary>
    public int Join(SwarmPlace place, bool isOrigin)
    {
        var peer = new SwarmPeer(peers.Count, place, isOrigin, Pieces, limits);
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

    /// <summary>The pod wants to be told of so many pieces more to ask for, beside those that it was told of.</summary>
    public void Wants(int peer, int pieces)
    {
        var p = peers[peer];
        p.IsGone = false;
        p.Wanted = Math.Clamp(pieces, 0, limits.DownlinkSlots);
        Wait(p);
        while (p.Wanted > 0 && TryMatch(p))
        {
        }
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

    /// <summary>A source did not give a granted piece: it is gone, slow or refuses. The receiver will not be sent there for it again.</summary>
    public void Failed(int peer, int piece)
    {
        var p = peers[peer];
        if (Drop(p, piece) is { } source)
        {
            p.Avoid(source.Number);
            source.Failures += source.IsOrigin ? 0 : 1;
            Pool(source);
            Freed(source);
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

        Pool(p);
        Wait(p);
    }

    private void Got(SwarmPeer p, int piece)
    {
        if (Drop(p, piece) is { } source)
        {
            Pool(source);
        }

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

        p.ComingSet.Remove(piece);
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

    private bool HasAskedAll(SwarmPeer p) => p.Held.Count + p.Coming.Count == Pieces;

    /// <summary>A source has something to give: to those who wait, near ones first.</summary>
    private void Offer(SwarmPeer source)
    {
        while (source.CanGive)
        {
            var found = source.IsOrigin ? OfferOrigin(source) : OfferGiver(source);
            if (found is not { } grant)
            {
                return;
            }

            Grant(peers[grant.Receiver], source, grant.Piece);
        }
    }

    private SwarmGrant? OfferGiver(SwarmPeer source)
    {
        if (++source.Offers % limits.AnywhereEvery == 0 && Best(waiting.All, receiver => Candidate(peers[receiver], source)) is { } anywhere)
        {
            return anywhere; // a pod alone at its site must not starve
        }

        foreach (var pool in waiting.Nearest(source.Place))
        {
            if (Best(pool, receiver => Candidate(peers[receiver], source)) is { } grant)
            {
                return grant;
            }
        }

        return null;
    }

    private SwarmGrant? OfferOrigin(SwarmPeer origin)
    {
        SwarmGrant? found = null;
        if (rarity.None.Count > 0)
        {
            found = Best(waiting.All, receiver => Candidate(peers[receiver], origin, rarity.None));
        }

        return found ?? (MayGiveMore() ? Best(waiting.All, receiver => Candidate(peers[receiver], origin)) : null);
    }

    /// <summary>Finds something for a pod that waits: from near ones, then from any, then from the source pod. Pieces that only the source pod has come first.</summary>
    private bool TryMatch(SwarmPeer receiver)
    {
        SwarmGrant? grant = rarity.None.Count > 0 ? FromOrigin(receiver, rarity.None) : null;
        if (grant is null)
        {
            foreach (var pool in givers.Nearest(receiver.Place))
            {
                grant = Best(pool, giver => Candidate(receiver, peers[giver]));
                if (grant is not null)
                {
                    break;
                }
            }
        }

        grant ??= MayGiveMore() || receiver.AvoidsSome ? FromOrigin(receiver, null) : null;
        if (grant is not { } found)
        {
            return false;
        }

        Grant(receiver, peers[found.Source], found.Piece);
        return true;
    }

    private SwarmPeer? OtherFor(SwarmPeer receiver, SwarmPeer late, int piece)
    {
        foreach (var pool in givers.Nearest(receiver.Place))
        {
            var turn = Draw();
            for (var n = 0; n < Math.Min(pool.Count, limits.Sampled); n++)
            {
                var giver = peers[pool[(int)((turn + (uint)n) % (uint)pool.Count)]];
                if (giver.Number != late.Number && giver.Held.Has(piece) && !receiver.Avoids(giver.Number))
                {
                    return giver;
                }
            }
        }

        return origins.Select(o => peers[o]).FirstOrDefault(o => o.CanGive && o != late);
    }

    private SwarmGrant? FromOrigin(SwarmPeer receiver, PieceSet? only)
    {
        foreach (var number in origins)
        {
            if (peers[number].CanGive && Candidate(receiver, peers[number], only) is { } candidate)
            {
                return candidate.Grant;
            }
        }

        return null;
    }

    private bool MayGiveMore() => originGrants < Pieces + ((long)Pieces * limits.OriginExtraPercent / 100);

    /// <summary>The best of some candidates: the rarest piece, and among equals from the fastest source to the receiver that has least.</summary>
    private SwarmGrant? Best(PeerPool pool, Func<int, (SwarmGrant Grant, long Cost)?> candidate)
    {
        (SwarmGrant Grant, long Cost)? best = null;
        var turn = Draw();
        var looked = Math.Min(pool.Count, limits.Sampled);
        for (var n = 0; n < looked; n++)
        {
            if (candidate(pool[(int)((turn + (uint)n) % (uint)pool.Count)]) is { } found && (best is null || found.Cost < best.Value.Cost))
            {
                best = found;
            }
        }

        return best?.Grant;
    }

    private (SwarmGrant Grant, long Cost)? Candidate(SwarmPeer receiver, SwarmPeer source, PieceSet? only = null)
    {
        if (receiver.Number == source.Number || receiver.Wanted == 0 || receiver.Avoids(source.Number))
        {
            return null;
        }

        var piece = rarity.Rarest(only ?? source.Held, receiver.Held, receiver.ComingSet, Draw());
        if (piece < 0)
        {
            return null;
        }

        var cost = ((long)rarity.CopiesOf(piece) * Pieces) + receiver.Held.Count + receiver.Coming.Count;
        return (new SwarmGrant(receiver.Number, source.Number, piece), cost);
    }

    private void Grant(SwarmPeer receiver, SwarmPeer source, int piece)
    {
        receiver.Wanted--;
        receiver.Coming[piece] = source.Number;
        receiver.ComingSet.Add(piece);
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
