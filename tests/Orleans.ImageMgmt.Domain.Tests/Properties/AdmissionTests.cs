using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: urgent work finds room at once, nothing starves, and no bound is passed. Method: random arrivals and ends.</summary>
public sealed class AdmissionTests
{
    private static readonly Gen<(int Version, bool IsUrgent)> arrival = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3]).Select((v, u) => (v, u == 0));

    [Fact]
    public void A_silo_never_passes_its_slots_and_its_lane_and_an_urgent_job_waits_only_for_urgent_ones() =>
        Gen.Select(Gen.Int[1, 20], arrival.Array[1, 60], Gen.Int[0, 1_000]).Sample((slots, drawn, seed) =>
        {
            var desk = new Desk(slots);
            for (var n = 0; n < drawn.Length; n++)
            {
                desk.Arrive(new SlotClaim(Samples.Paris, VersionOf(drawn[n].Version), drawn[n].IsUrgent, n));
                Assert.True(desk.Running.Count(c => !c.IsUrgent) <= slots);
                Assert.True(desk.Running.Count <= slots + Admission.LaneOf(slots));
                Assert.True(!desk.Waiting.Any(c => c.IsUrgent) || desk.Running.Count == slots + Admission.LaneOf(slots));
                Assert.True(desk.Waiting.Count == 0 || desk.Running.Count >= slots);
                if (n % 3 == 2 && desk.Running.Count > 0)
                {
                    desk.End(seed);
                }
            }
        }, iter: Sequences.Runs, threads: 1);

    [Fact]
    public void Nobody_starves_while_urgent_jobs_keep_coming() => Gen.Select(Gen.Int[1, 12], Gen.Int[0, 1_000], Gen.Int[0, 20]).Sample((slots, seed, before) =>
    {
        var desk = new Desk(slots);
        var number = 0;
        for (; number < slots + Admission.LaneOf(slots) + before; number++)
        {
            desk.Arrive(new SlotClaim(Samples.Paris, VersionOf(0), number % 2 == 0, number));
        }

        var patient = new SlotClaim(Samples.Oslo, VersionOf(1), false, number++);
        desk.Arrive(patient);
        var older = desk.Waiting.Count;
        var (ends, granted) = (0, desk.Granted);
        for (; desk.Waiting.Contains(patient); ends++)
        {
            // Every slot that becomes free is wanted by a new urgent job too.
            desk.Arrive(new SlotClaim(Samples.Paris, VersionOf(2), true, number++));
            desk.End(seed + ends);
            Assert.True(desk.Granted - granted <= Admission.ByAgeEvery * (older + 1), $"still waiting after {desk.Granted - granted} grants, {older} were older");
            Assert.True(ends < 5_000, $"only {desk.Granted - granted} slots were given in {ends} ends");
        }
    }, iter: 500, threads: 1);

    [Fact]
    public void A_publish_to_few_pods_does_not_wait_for_all_of_one_to_many()
    {
        var desk = new Desk(8);
        for (var n = 0; n < 5_000; n++)
        {
            desk.Arrive(new SlotClaim(new PodName($"pod-{n}"), VersionOf(0), false, n));
        }

        desk.Arrive(new SlotClaim(Samples.Oslo, VersionOf(1), false, 5_000));
        var ends = 0;
        for (; desk.Waiting.Any(c => c.Pod == Samples.Oslo); ends++)
        {
            desk.End(ends);
        }

        Assert.InRange(ends, 1, 2);
    }

    [Fact]
    public void An_urgent_copy_goes_ahead_on_a_full_pod_and_one_that_has_waited_longer_than_the_head_start_before_it()
    {
        var running = Enumerable.Range(0, 2).Select(n => CopyOf(n, CopyState.Replicating, 0)).ToList();
        var urgent = CopyOf(5, CopyState.Pending, 60) with { IsUrgent = true };
        var normal = CopyOf(6, CopyState.Pending, 30);
        Assert.Equal([urgent.Version], Admit([.. running, normal, urgent]));
        Assert.Empty(Admit([.. running, normal]));
        Assert.Equal([normal.Version], Admit([running[0], CopyOf(7, CopyState.Replicating, 0) with { IsUrgent = true }, normal])); // the lane closes no slot
        Assert.Empty(Admit([.. running, CopyOf(7, CopyState.Replicating, 0) with { IsUrgent = true }, normal, urgent])); // the lane is taken
        var aged = normal with { WantedAt = urgent.WantedAt - Admission.HeadStart - TimeSpan.FromSeconds(1) };
        Assert.Equal([aged.Version, urgent.Version], Admit([running[0], aged, urgent]));
        Assert.Equal([urgent.Version, normal.Version], Admit([running[0], normal, urgent]));
    }

    private static IReadOnlyList<VersionId> Admit(IReadOnlyList<Copy> copies) =>
        PodMachine.Admit(PodMachine.Initial(Samples.Paris) with { State = PodState.Connected, Spec = Samples.SpecOf(Samples.Paris) }, copies, Samples.Now, RetryPolicy.Default);

    private static Copy CopyOf(int number, CopyState state, int seconds) => CopyMachine.Initial(VersionOf(number), Samples.Paris) with
    {
        State = state, WantedAt = Samples.Start.AddSeconds(seconds), Content = Samples.Content, From = Samples.Source, WantedBy = [Samples.One],
    };

    private static VersionId VersionOf(int number) => new(Samples.Id.Image, new VersionName($"1.{number}"));

    [Fact]
    public void The_line_gives_slots_as_the_rule_says_over_all_who_wait_whatever_comes_goes_or_becomes_urgent() =>
        Gen.Select(Gen.Int[1, 12], Gen.Int[1, 12], Gen.Select(Gen.Int[0, 5], arrival, Gen.Int[0, 1_000]).Array[1, 120]).Sample((slots, ofSource, drawn) =>
        {
            var desk = new Desk(slots, ofSource);
            for (var n = 0; n < drawn.Length; n++)
            {
                var (what, (version, isUrgent), which) = drawn[n];
                switch (what)
                {
                    case 0 when desk.Running.Count > 0:
                        desk.End(which);
                        break;
                    case 1 when desk.Waiting.Count > 0:
                        desk.GiveUp(which);
                        break;
                    case 2 when desk.Waiting.Count > 0:
                        desk.Hurry(which);
                        break;
                    default:
                        desk.Arrive(new SlotClaim(new PodName($"pod-{n}"), VersionOf(version), isUrgent, n, which % 4 is 0 ? null : new PodName($"source-{which % 4}")));
                        break;
                }
            }
        }, iter: Sequences.Runs, threads: 1);

    [Fact]
    public void A_source_that_enough_read_from_holds_up_no_job_that_reads_from_another_one()
    {
        var desk = new Desk(8, 2);
        for (var n = 0; n < 100; n++)
        {
            desk.Arrive(new SlotClaim(new PodName($"pod-{n}"), VersionOf(n % 3), false, n, Samples.Paris));
        }

        Assert.Equal(2, desk.Running.Count);
        desk.Arrive(new SlotClaim(new PodName("berlin"), VersionOf(0), false, 100, Samples.Oslo));
        desk.Arrive(new SlotClaim(new PodName("berlin"), VersionOf(4), false, 101));
        Assert.Equal([100, 101], desk.Running.Skip(2).Select(claim => claim.Number));
        desk.Arrive(new SlotClaim(new PodName("berlin"), VersionOf(5), true, 102, Samples.Paris));
        desk.Arrive(new SlotClaim(new PodName("berlin"), VersionOf(6), true, 103, Samples.Paris));
        Assert.Equal([102], desk.Running.Skip(4).Select(claim => claim.Number)); // the source's lane has one place
        desk.End(0);
        Assert.Equal(103, desk.Running[^1].Number);
    }

    /// <summary>The line, and beside it the rule over everybody who waits, written as it is said: each grant of the line has to be the rule's.</summary>
    private sealed class Desk(int slots, int ofSource = 4_096)
    {
        private readonly SlotLine line = new(slots, ofSource);

        /// <summary>The lane's not counted.</summary>
        public long Granted { get; private set; }

        public List<SlotClaim> Waiting { get; } = [];

        public List<SlotClaim> Running { get; } = [];

        public void Arrive(SlotClaim claim)
        {
            Waiting.Add(claim);
            line.Arrive(claim);
            Grant();
        }

        public void End(int which)
        {
            line.Leave(Running[which % Running.Count].Number);
            Running.RemoveAt(which % Running.Count);
            Grant();
        }

        public void GiveUp(int which)
        {
            Assert.True(line.GiveUp(Waiting[which % Waiting.Count].Number));
            Waiting.RemoveAt(which % Waiting.Count);
            Grant();
        }

        public void Hurry(int which)
        {
            var claim = Waiting[which % Waiting.Count];
            Waiting[which % Waiting.Count] = claim with { IsUrgent = true };
            line.Hurry(claim.Pod, claim.Version);
            Grant();
        }

        private void Grant()
        {
            while (Rule() is ({ } next, var isInLane))
            {
                Assert.Equal(next, line.Grant());
                Granted += isInLane ? 0 : 1;
                Assert.True(Waiting.Remove(next));
                Running.Add(next);
            }

            Assert.Null(line.Grant());
            Assert.Equal((Granted, Waiting.Count), (line.Granted, line.Waiting));
        }

        private SlotGrant? Rule()
        {
            var (lane, urgent) = (Admission.LaneOf(slots), Running.Count(c => c.IsUrgent));
            var free = Waiting.Where(HasRoom).ToList();
            if (urgent < lane && free.Any(c => c.IsUrgent))
            {
                return new SlotGrant(free.Where(c => c.IsUrgent).MinBy(c => c.Number), IsInLane: true);
            }

            if (free.Count == 0 || Running.Count - urgent + Math.Max(0, urgent - lane) >= slots)
            {
                return null;
            }

            return new SlotGrant(
                Granted % Admission.ByAgeEvery == Admission.ByAgeEvery - 1 ? free.MinBy(c => c.Number)
                    : free.OrderBy(c => c.IsUrgent ? 0 : 1).ThenBy(c => Running.Count(r => r.Version == c.Version)).ThenBy(c => c.Number).First(),
                IsInLane: false);
        }

        private bool HasRoom(SlotClaim claim)
        {
            var (plain, urgent) = (Running.Count(r => r.Source == claim.Source && !r.IsUrgent), Running.Count(r => r.Source == claim.Source && r.IsUrgent));
            var lane = Admission.LaneOf(ofSource);
            return claim.Source is null || plain + Math.Max(0, urgent - lane) < ofSource || (claim.IsUrgent && urgent < lane);
        }
    }
}
