using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

public sealed class SwarmTests
{
    private const int Pieces = 8;

    [Fact]
    public void The_source_pod_gives_a_piece_once_and_then_those_who_have_it_do()
    {
        var (swarm, source, peers) = Make(2);
        swarm.Wants(peers[0], 1);
        var first = Assert.Single(swarm.TakeGrants());
        Assert.Equal((peers[0], source), (first.Receiver, first.Source));
        swarm.Arrived(peers[0], first.Piece, 1);

        swarm.Wants(peers[1], 2);
        var grants = swarm.TakeGrants();
        Assert.Equal(2, grants.Count);
        Assert.DoesNotContain(grants, grant => grant.Source == source && grant.Piece == first.Piece);
    }

    [Fact]
    public void A_pod_gives_no_more_pieces_at_once_than_it_has_slots()
    {
        var (swarm, source, peers) = Make(10);
        foreach (var peer in peers)
        {
            swarm.Wants(peer, 2);
        }

        var grants = swarm.TakeGrants();
        Assert.Equal(SwarmLimits.Default.UplinkSlots, grants.Count);
        Assert.All(grants, grant => Assert.Equal(source, grant.Source));
    }

    [Fact]
    public void Who_waits_is_served_when_a_slot_is_free_again()
    {
        var (swarm, _, peers) = Make(3);
        swarm.Wants(peers[0], SwarmLimits.Default.UplinkSlots);
        swarm.Wants(peers[1], 2);
        var grants = swarm.TakeGrants();
        Assert.All(grants, grant => Assert.Equal(peers[0], grant.Receiver));
        swarm.Arrived(peers[0], grants[0].Piece, 1);
        Assert.Contains(swarm.TakeGrants(), grant => grant.Receiver == peers[1]);
    }

    [Fact]
    public void What_a_pod_fills_in_itself_is_not_named_to_it_until_it_says_that_it_does_not_any_more()
    {
        var (swarm, source, peers) = Make(2);
        var (filling, held) = (All(), new PieceSet(Pieces));
        filling.Remove(3);
        swarm.Fills(peers[0], filling);
        swarm.Wants(peers[0], 2);
        Assert.Equal(3, Assert.Single(swarm.TakeGrants()).Piece);

        filling.Remove(5); // it was told of one piece and waits for another one
        swarm.Fills(peers[0], filling);
        Assert.Equal((source, 5), Assert.Single(swarm.TakeGrants()) is var next ? (next.Source, next.Piece) : default);
        swarm.Arrived(peers[0], 3, 1);
        swarm.Arrived(peers[0], 5, 1);
        swarm.Wants(peers[0], 2);
        Assert.Empty(swarm.TakeGrants());

        for (var piece = 0; piece < Pieces - 1; piece++)
        {
            held.Add(piece);
        }

        swarm.Holds(peers[0], held);
        swarm.Fills(peers[0], null); // what it filled in last was wrong
        Assert.Equal(Pieces - 1, Assert.Single(swarm.TakeGrants()).Piece);
        swarm.Wants(peers[1], 2);
        Assert.Contains(swarm.TakeGrants(), grant => grant.Source == peers[0]);
    }

    [Fact]
    public void What_has_come_and_is_yet_to_be_read_back_keeps_no_place_at_its_source()
    {
        var (swarm, source, peers) = Make(2);
        swarm.Wants(peers[0], SwarmLimits.Default.DownlinkSlots);
        var grants = swarm.TakeGrants();
        Assert.Equal(SwarmLimits.Default.UplinkSlots, grants.Count);
        var come = new PieceSet(Pieces);
        come.Add(grants[0].Piece);
        swarm.Fills(peers[0], come);
        swarm.Fills(peers[0], come); // told again
        swarm.Wants(peers[0], 2);
        var next = Assert.Single(swarm.TakeGrants()); // one place is free, and the others are not
        Assert.Equal(source, next.Source);
        Assert.DoesNotContain(next.Piece, grants.Select(grant => grant.Piece));
        swarm.Arrived(peers[0], next.Piece, 1);
        swarm.Wants(peers[1], SwarmLimits.Default.DownlinkSlots);
        Assert.DoesNotContain(swarm.TakeGrants(), grant => grant.Source == source && grant.Piece == grants[0].Piece); // it counts as a copy

        swarm.Arrived(peers[0], grants[0].Piece, 1); // it was read back right
        swarm.Fills(peers[0], null);
        Assert.Contains(new SwarmGrant(peers[1], peers[0], grants[0].Piece), swarm.TakeGrants()); // and is given out
    }

    [Fact]
    public void A_source_that_failed_is_replaced_and_not_named_again_to_the_same_pod()
    {
        var (swarm, _, peers) = Make(3);
        swarm.Holds(peers[0], All());
        swarm.Holds(peers[1], All());
        swarm.Wants(peers[2], 1);
        var first = Assert.Single(swarm.TakeGrants());
        swarm.Failed(peers[2], first.Piece);
        var instead = Assert.Single(swarm.TakeGrants());
        Assert.Equal(first.Piece, instead.Piece);
        Assert.NotEqual(first.Source, instead.Source);
        swarm.Arrived(peers[2], instead.Piece, 1);
        for (var n = 1; n < Pieces; n++)
        {
            swarm.Wants(peers[2], 1);
            var next = Assert.Single(swarm.TakeGrants());
            Assert.NotEqual(first.Source, next.Source);
            swarm.Arrived(peers[2], next.Piece, 1);
        }
    }

    [Fact]
    public void A_liar_is_set_aside_for_everybody_and_its_pieces_come_from_the_source_pod()
    {
        var (swarm, source, peers) = Make(3);
        swarm.Holds(peers[0], All());
        Assert.True(swarm.Lied(peers[1], peers[0]));
        Assert.False(swarm.Lied(peers[2], peers[0]), "It is aside already.");
        swarm.Wants(peers[2], 1);
        Assert.Equal(source, Assert.Single(swarm.TakeGrants()).Source);
    }

    [Fact]
    public void Who_accuses_everybody_is_believed_only_a_few_times()
    {
        var (swarm, _, peers) = Make(10);
        Assert.Equal(SwarmLimits.Default.AccusationsBelieved, peers.Skip(1).Count(peer => swarm.Lied(peers[0], peer)));
    }

    [Fact]
    public void A_pod_that_cannot_give_is_never_named()
    {
        var swarm = new Swarm(Pieces, 1, SwarmLimits.Default);
        var source = swarm.Join(SwarmPlace.Nowhere, isOrigin: true);
        var mute = swarm.Join(SwarmPlace.Nowhere, isOrigin: false, gives: false);
        var peer = swarm.Join(SwarmPlace.Nowhere, isOrigin: false);
        swarm.Holds(mute, All());
        swarm.Wants(peer, 1);
        Assert.Equal(source, Assert.Single(swarm.TakeGrants()).Source);
    }

    [Fact]
    public void The_source_pod_is_never_set_aside()
    {
        var (swarm, source, peers) = Make(2);
        Assert.False(swarm.Lied(peers[0], source));
        swarm.Wants(peers[1], 1);
        Assert.Equal(source, Assert.Single(swarm.TakeGrants()).Source);
    }

    [Fact]
    public void A_late_piece_is_asked_from_somebody_else()
    {
        var (swarm, _, peers) = Make(4);
        swarm.Holds(peers[0], All());
        swarm.Holds(peers[1], All());
        swarm.Wants(peers[3], 1);
        swarm.Arrived(peers[3], Assert.Single(swarm.TakeGrants()).Piece, 1);
        swarm.Wants(peers[2], 1);
        var slow = Assert.Single(swarm.TakeGrants());
        swarm.Late(peers[2], slow.Piece, 100);
        var other = Assert.Single(swarm.TakeGrants());
        Assert.Equal((slow.Receiver, slow.Piece), (other.Receiver, other.Piece));
        Assert.NotEqual(slow.Source, other.Source);
    }

    [Fact]
    public void A_pod_that_leaves_gives_and_takes_nothing_until_it_says_something()
    {
        var (swarm, source, peers) = Make(2);
        swarm.Holds(peers[0], All());
        swarm.Leaves(peers[0]);
        swarm.Wants(peers[1], 1);
        Assert.Equal(source, Assert.Single(swarm.TakeGrants()).Source);
        swarm.Holds(peers[0], All());
        swarm.Wants(peers[1], 1);
        Assert.Equal(peers[0], Assert.Single(swarm.TakeGrants()).Source);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1_024)]
    public void A_set_of_pieces_comes_back_from_its_bytes(int pieces)
    {
        var set = new PieceSet(pieces);
        for (var piece = 0; piece < pieces; piece += 3)
        {
            Assert.True(set.Add(piece));
            Assert.False(set.Add(piece));
        }

        var back = PieceSet.TryFrom(set.ToBytes(), pieces);
        Assert.Equal(set.Count, back!.Count);
        Assert.Equal(set.ToBytes(), back.ToBytes());
        Assert.Null(PieceSet.TryFrom([.. set.ToBytes(), 0], pieces));
        if (pieces % 64 != 0)
        {
            var spoilt = set.ToBytes();
            spoilt[^1] |= 0x80;
            Assert.Null(PieceSet.TryFrom(spoilt, pieces));
        }
    }

    private static PieceSet All()
    {
        var all = new PieceSet(Pieces);
        all.Fill();
        return all;
    }

    private static (Swarm Swarm, int Source, int[] Peers) Make(int peers)
    {
        var swarm = new Swarm(Pieces, 1, SwarmLimits.Default);
        var source = swarm.Join(SwarmPlace.Nowhere, isOrigin: true);
        return (swarm, source, [.. Enumerable.Range(0, peers).Select(_ => swarm.Join(SwarmPlace.Nowhere, isOrigin: false))]);
    }
}
