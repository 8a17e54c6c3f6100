namespace Orleans.ImageMgmt.Domain;

internal sealed partial class Swarm
{
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

        var piece = rarity.Rarest(only ?? source.Held, receiver.Held, receiver.Excluded, Draw());
        if (piece < 0)
        {
            return null;
        }

        var cost = ((long)rarity.CopiesOf(piece) * Pieces) + receiver.Held.Count + receiver.Coming.Count;
        return (new SwarmGrant(receiver.Number, source.Number, piece), cost);
    }
}
