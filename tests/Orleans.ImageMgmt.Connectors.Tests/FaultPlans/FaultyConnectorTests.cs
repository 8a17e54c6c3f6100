using Microsoft.Extensions.Time.Testing;
using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>What each kind of fault does, and that a copy comes out right in the end.</summary>
public sealed class FaultyConnectorTests : IDisposable
{
    private readonly FakeTimeProvider time = new();
    private readonly Log log = new();
    private readonly SimulatedPods pods;
    private readonly OfferedDisk disk = OfferedDisk.Make();

    public FaultyConnectorTests() => pods = new SimulatedPods(time);

    public void Dispose() => pods.Dispose();

    [Fact]
    public async Task Refuse_answers_with_a_fault_so_many_times()
    {
        var pod = Pod("probe:refuse:times=2; open:refuse:cause=denied");
        Fault(await pod.ProbeAsync(CancellationToken.None), FaultCause.Unreachable);
        Fault(await pod.ProbeAsync(CancellationToken.None), FaultCause.Unreachable);
        Value(await pod.ProbeAsync(CancellationToken.None));
        var fault = Fault(await pod.OpenAsync(Pos, CancellationToken.None), FaultCause.Denied);
        Assert.Equal(FaultStage.Open, fault.Stage);
        Assert.Equal([FaultKind.Refuse, FaultKind.Refuse, FaultKind.Refuse], log.Kinds);
    }

    [Fact]
    public async Task Refuse_with_a_place_breaks_the_transfer_there_and_the_next_call_resumes()
    {
        var pod = Pod("receive:refuse:after=50%");
        var before = new Recorder();
        Fault(await pod.ReceiveAsync(disk, before), FaultCause.Unreachable);
        Assert.InRange(before.Staged.Count, 3, 5);
        var after = new Recorder();
        Value(await pod.ReceiveAsync(disk, after));
        Assert.Empty(after.Requested.Intersect(before.Staged));
        Value(await pod.FinaliseAsync(disk));
    }

    [Fact]
    public async Task Flap_answers_and_refuses_in_turns()
    {
        var pod = Pod("probe:flap=2");
        var answered = new List<bool>();
        for (var call = 0; call < 8; call++)
        {
            answered.Add(await pod.ProbeAsync(CancellationToken.None) is ConnectorResult<PodProbe>.Done);
        }

        Assert.Equal([true, true, false, false, true, true, false, false], answered);
        Assert.Equal(4, log.Kinds.Count);
    }

    [Fact]
    public async Task Corrupt_is_noticed_and_asked_again()
    {
        var pod = Pod("receive:corrupt:chunk=7:times=2");
        Value(await pod.ReceiveAsync(disk));
        Assert.Equal(3, disk.Reads.Count(chunk => chunk == 7));
        Value(await pod.FinaliseAsync(disk));
        Assert.Contains("chunk 7", log.Faults[0].Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Corrupt_without_end_is_the_sending_sides_fault()
    {
        var pod = Pod("receive:corrupt:chunk=7:times=3");
        Fault(await pod.ReceiveAsync(disk), FaultCause.SourceCorrupt);
        Value(await pod.ReceiveAsync(disk));
        Value(await pod.FinaliseAsync(disk));
    }

    [Fact]
    public async Task A_lie_about_receiving_is_found_out_when_finalising()
    {
        var pod = Pod("receive:lie");
        Value(await pod.ReceiveAsync(disk));
        Fault(await pod.FinaliseAsync(disk), FaultCause.TargetCorrupt);
        Assert.DoesNotContain(await pod.InventoryAsync(), entry => entry.Final);
        Value(await pod.ReceiveAsync(disk));
        Assert.Equal(disk.Content.ContentDigest, Value(await pod.FinaliseAsync(disk)).ContentDigest);
    }

    [Fact]
    public async Task A_lie_about_finalising_shows_in_the_receipt()
    {
        var pod = Pod("finalise:lie");
        Value(await pod.ReceiveAsync(disk));
        Assert.NotEqual(disk.Content.ContentDigest, Value(await pod.FinaliseAsync(disk)).ContentDigest);
        Assert.DoesNotContain(await pod.InventoryAsync(), entry => entry.Final);
        Assert.Equal(disk.Content.ContentDigest, Value(await pod.FinaliseAsync(disk)).ContentDigest);
    }

    [Fact]
    public async Task No_room_comes_before_the_first_byte_or_in_the_middle()
    {
        var pod = Pod("receive:noroom; receive:noroom:after=30%");
        Fault(await pod.ReceiveAsync(disk), FaultCause.NoRoom);
        Assert.Empty(disk.Reads);
        Fault(await pod.ReceiveAsync(disk), FaultCause.NoRoom);
        Assert.NotEmpty(disk.Reads);
        Value(await pod.ReceiveAsync(disk));
        Value(await pod.FinaliseAsync(disk));
    }

    [Fact]
    public async Task Stall_stands_still_for_its_time_and_goes_on()
    {
        var pod = Pod("receive:stall=2s:after=40%");
        var receiving = pod.ReceiveAsync(disk);
        await log.Next;
        Assert.False(receiving.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(2));
        Value(await receiving);
    }

    [Fact]
    public async Task A_stalled_call_can_be_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var pod = Pod("probe:stall=1h; receive:stall=1h:after=10%");
        var probing = pod.ProbeAsync(stop.Token);
        await stop.CancelAsync();
        Fault(await probing, FaultCause.Cancelled);
        using var again = new CancellationTokenSource();
        var receiving = pod.ReceiveAsync(disk, token: again.Token);
        await again.CancelAsync();
        Fault(await receiving, FaultCause.Cancelled);
    }

    [Fact]
    public async Task Slow_lets_bytes_through_at_its_rate()
    {
        var pod = Pod("receive:slow=1MiB/s");
        var receiving = pod.ReceiveAsync(disk);
        await log.Next;
        var seconds = 0;
        for (; !receiving.IsCompleted && seconds < 60; seconds++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            for (var turn = 0; turn < 1_000 && !receiving.IsCompleted && disk.Reads.Count <= seconds; turn++)
            {
                await Task.Yield();
            }
        }

        Value(await receiving);
        Assert.InRange(seconds, (int)(disk.Manifest.DataLength >> 20), 60);
    }

    [Fact]
    public async Task The_same_seed_meets_the_same_faults()
    {
        async Task<string> PlayAsync(int seed)
        {
            var pod = Pod("probe:refuse:chance=50%:times=1000", seed);
            var text = "";
            for (var call = 0; call < 64; call++)
            {
                text += await pod.ProbeAsync(CancellationToken.None) is ConnectorResult<PodProbe>.Done ? '.' : 'x';
            }

            return text;
        }

        var first = await PlayAsync(1);
        Assert.Equal(first, await PlayAsync(1));
        Assert.NotEqual(first, await PlayAsync(2));
        Assert.Contains('x', first);
        Assert.Contains('.', first);
    }

    [Theory]
    [InlineData("receive:refuse:after=30%; receive:corrupt:chunk=7:times=2; receive:lie:after=60%; receive:noroom; finalise:refuse; finalise:lie; receive:stall=1ms:after=90%")]
    [InlineData("receive:refuse:after=0%:times=3; receive:corrupt:times=4; finalise:refuse:cause=timed-out; any:flap=5")]
    public async Task A_flaky_filesystem_pod_ends_with_the_right_copy(string text)
    {
        Assert.True(FaultPlan.TryParse(text, 7, out var plan, out var error), error);
        await using var fixture = new FilesystemFixture(inner => new FaultyConnector(inner, plan, TimeProvider.System, log));
        Receipt? receipt = null;
        var sent = new Recorder();
        for (var attempt = 0; attempt < 40 && receipt?.ContentDigest != disk.Content.ContentDigest; attempt++)
        {
            if (await fixture.Connector.ReceiveAsync(disk, sent) is ConnectorResult<StagedCopy>.Done
                && await fixture.Connector.FinaliseAsync(disk) is ConnectorResult<Receipt>.Done { Value: var given })
            {
                receipt = given;
            }
        }

        Assert.Equal(disk.Content.ContentDigest, receipt?.ContentDigest);
        Assert.Equal(sent.Staged.Count, sent.Staged.Distinct().Count());
        Assert.True(log.Faults.Count >= 5, string.Join('\n', log.Faults));
    }

    private FaultyConnector Pod(string text, int seed = 1)
    {
        Assert.True(FaultPlan.TryParse(text, seed, out var plan, out var error), error);
        return new FaultyConnector(Value(pods.Create(Spec("simulated"))), plan, time, log);
    }

    private sealed class Log : IFaultLog
    {
        private readonly TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<InjectedFault> Faults { get; } = [];

        public List<FaultKind> Kinds => [.. Faults.Select(fault => fault.Kind)];

        /// <summary>The first fault has been injected.</summary>
        public Task Next => first.Task;

        public void Injected(InjectedFault fault)
        {
            lock (Faults)
            {
                Faults.Add(fault);
            }

            first.TrySetResult();
        }
    }
}
