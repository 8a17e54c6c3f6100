using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors.Tests;

public sealed class FaultPlanTests
{
    [Fact]
    public void A_plan_reads_as_it_is_written()
    {
        Assert.True(FaultPlan.TryParse(
            "receive:after=40%:stall=2s:times=1; receive:corrupt:chunk=7:times=2; finalise:lie; probe:refuse:times=3:cause=denied;"
            + " receive:noroom:times=1; receive:slow=20MB/s; any:flap=3; open:refuse:chance=12.5%",
            1, out var plan, out var error), error);
        Assert.Equal(
            [FaultKind.Stall, FaultKind.Corrupt, FaultKind.Lie, FaultKind.Refuse, FaultKind.NoRoom, FaultKind.Slow, FaultKind.Flap, FaultKind.Refuse],
            plan.Rules.Select(rule => rule.Kind));
        Assert.Equal((40.0, TimeSpan.FromSeconds(2), 1), (plan.Rules[0].AfterPercent, plan.Rules[0].Pause, plan.Rules[0].Times));
        Assert.Equal((7, 2), (plan.Rules[1].Chunk, plan.Rules[1].Times));
        Assert.Equal((FaultStage.Finalise, 1), (plan.Rules[2].Stage, plan.Rules[2].Times));
        Assert.Equal((FaultCause.Denied, 3), (plan.Rules[3].Cause, plan.Rules[3].Times));
        Assert.Equal((20_000_000L, null), (plan.Rules[5].BytesPerSecond, plan.Rules[5].Times));
        Assert.Equal((null, 3), (plan.Rules[6].Stage, plan.Rules[6].Period));
        Assert.Equal(12.5, plan.Rules[7].ChancePercent);
    }

    [Theory]
    [InlineData("recieve:refuse", "no stage")]
    [InlineData("receive", "no kind")]
    [InlineData("receive:explode", "unknown")]
    [InlineData("receive:refuse:corrupt", "exactly one")]
    [InlineData("receive:refuse=3", "no value")]
    [InlineData("receive:refuse:times=0", "above 0")]
    [InlineData("receive:refuse:times=-1", "above 0")]
    [InlineData("receive:refuse:after=40", "percentage")]
    [InlineData("receive:refuse:after=140%", "percentage")]
    [InlineData("receive:stall=fast", "a time")]
    [InlineData("receive:stall=48h", "a time")]
    [InlineData("receive:slow=20MB", "a rate")]
    [InlineData("receive:slow=0B/s", "a rate")]
    [InlineData("probe:flap=0", "number of calls")]
    [InlineData("probe:flap", "number of calls")]
    [InlineData("probe:corrupt", "stage receive")]
    [InlineData("verify:slow=1MB/s", "stage receive")]
    [InlineData("probe:refuse:after=4%", "stage receive")]
    [InlineData("verify:lie", "receive or finalise")]
    [InlineData("verify:noroom", "receive or prepare")]
    [InlineData("receive:corrupt:cause=denied", "refuse or flap")]
    [InlineData("receive:refuse:cause=boredom", "one of")]
    [InlineData("receive:refuse:after=4%:chunk=1", "only one")]
    [InlineData("receive:flap=2:after=4%", "no place")]
    public void A_rule_that_makes_no_sense_is_refused_with_its_reason(string text, string reason)
    {
        Assert.False(FaultPlan.TryParse(text, 1, out var plan, out var error));
        Assert.Empty(plan.Rules);
        Assert.Contains(reason, error, StringComparison.Ordinal);
        Assert.Contains(text, error, StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_of_a_plan_are_told_at_once()
    {
        Assert.False(FaultPlan.TryParse("x:refuse; receive:y; probe:refuse", 1, out _, out var error));
        Assert.Contains("'x'", error, StringComparison.Ordinal);
        Assert.Contains("'y'", error, StringComparison.Ordinal);
        Assert.False(FaultPlan.TryParse(string.Join(';', Enumerable.Repeat("probe:refuse", FaultPlan.MaxRules + 1)), 1, out _, out error));
        Assert.Contains("more than", error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_plan_has_no_rules()
    {
        Assert.True(FaultPlan.TryParse(" ; ", 1, out var plan, out _));
        Assert.Empty(plan.Rules);
    }

    [Theory]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("20GB", 20_000_000_000L)]
    [InlineData("1.5KiB", 1536L)]
    [InlineData("17", 17L)]
    [InlineData("4 MB", 4_000_000L)]
    public void Sizes_are_read_as_people_write_them(string text, long bytes)
    {
        Assert.True(Quantity.TryBytes(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("MiB")]
    [InlineData("1e9")]
    [InlineData("9999999999TiB")]
    public void What_is_no_size_is_refused(string text) => Assert.False(Quantity.TryBytes(text, out _));
}
