using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: damage that nobody noticed is found, kept from use, and repaired with no more bytes than were damaged. Method: a byte of a copy on a
/// simulated pod is changed behind the service's back.</summary>
public sealed class RepairFlowTests
{
    private const int Chunk = 1 << 20;

    private static readonly PodName A = new("a");

    private static readonly OperationId Ask = new("verify-1");

    [Fact]
    public async Task A_copy_that_is_verified_and_whole_stays_available_and_its_receipt_says_when()
    {
        await using var service = await PublishedAsync();
        var before = await service.CopyAsync("a");

        await VerifyAsync(service, A);
        Assert.Equal(OperationState.Succeeded, await EndOfAsync(service, Ask));

        var after = await service.CopyAsync("a");
        Assert.Equal(CopyState.Available, after.State);
        Assert.True(after.Receipt!.VerifiedAt > before.Receipt!.VerifiedAt);
        Assert.Equal(before.Receipt.BytesSent, after.Receipt.BytesSent);
        Assert.Null(after.Receipt.Repair);
        Assert.Equal(1, service.Transfers.CopiesReadBack);
        Assert.Equal(0, service.Transfers.CopiesDamaged);

        Assert.True((await service.Grains.GetPod(A).VerifyCopyAsync(First, Ask, By)).IsDone); // the same request again begins nothing
        Assert.Equal(after.Revision, (await service.CopyAsync("a")).Revision);
    }

    [Fact]
    public async Task A_damaged_copy_is_quarantined_and_made_whole_by_its_damaged_chunks_alone()
    {
        await using var service = await PublishedAsync();
        Assert.True(service.Pods.Damage(A, First, 2));
        Assert.True(service.Pods.Damage(A, First, 5));

        await VerifyAsync(service, A);
        Assert.Equal(OperationState.Succeeded, await EndOfAsync(service, Ask));

        var copy = await service.CopyAsync("a");
        Assert.Equal(CopyState.Available, copy.State);
        Assert.Null(copy.Damage);
        Assert.Equal((2, 2L * Chunk, Source), (copy.Receipt!.Repair!.Chunks, copy.Receipt.Repair.BytesFetched, copy.Receipt.Repair.From));
        Assert.Equal((1L, 1L, 2L * Chunk), (service.Transfers.CopiesDamaged, service.Transfers.CopiesRepaired, service.Transfers.RepairBytes));
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available && v.LostCopies.ContainsKey(A));

        var lines = await service.Catalog.ListActivityAsync(new ActivityQuery { Pod = "a", Limit = 100 }, Token);
        Assert.Contains(lines, l => l.Action == "copy.state" && l.Body.Contains("Quarantined", StringComparison.Ordinal) && l.Body.Contains("2, 5", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Action == "copy.repaired" && l.Operation == Ask.Value);
        Assert.Contains(lines, l => l.Action == "copy.verify-accepted" && l.Actor == By.Actor);
    }

    [Fact]
    public async Task The_scrub_finds_damage_and_repairs_it_while_nobody_asks()
    {
        await using var service = await PublishedAsync(scrub: ScrubPolicy.Default with { Every = TimeSpan.FromMilliseconds(200) });
        Assert.True(service.Pods.Damage(A, First, 2));

        var copy = await UntilAsync(() => service.CopyAsync("a"), c => c is { State: CopyState.Available, Receipt.Repair: not null });
        Assert.Equal(1, copy.Receipt!.Repair!.Chunks);
        await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
    }

    [Fact]
    public async Task The_sealed_copy_of_the_source_pod_is_repaired_from_a_target()
    {
        await using var service = await PublishedAsync();
        Assert.True(service.Pods.Damage(Source, First, 1));

        await VerifyAsync(service, Source);
        Assert.Equal(OperationState.Succeeded, await EndOfAsync(service, Ask));

        var copy = await service.CopyAsync("source");
        Assert.Equal((CopyState.Available, CopyRole.Source, A, 1), (copy.State, copy.Role, copy.Receipt!.Repair!.From, copy.Receipt.Repair.Chunks));
    }

    [Fact]
    public async Task A_source_that_sends_wrong_bytes_is_looked_at_and_repaired_and_the_publish_goes_on()
    {
        await using var service = await PublishedAsync(tries: 200);
        await service.ConnectAsync(Spec(new PodName("late")));
        Assert.True(service.Pods.Damage(Source, First, 4));

        await service.Client.PublishAsync(First, Publish("publish-2", "late"));
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-2")).State);
        Assert.Equal(1, (await UntilAsync(() => service.CopyAsync("source"), c => c.State == CopyState.Available && c.Receipt?.Repair is not null)).Receipt!.Repair!.Chunks);
        Assert.Equal(CopyState.Available, (await service.CopyAsync("late")).State);
    }

    [Fact]
    public async Task What_nobody_else_holds_stays_quarantined_and_says_what_to_do()
    {
        await using var service = await StartAsync();
        await service.ConnectAsync();
        await service.ImportFirstAsync();
        Assert.True(service.Pods.Damage(Source, First, 1));

        await VerifyAsync(service, Source);
        Assert.Equal(OperationState.Failed, await EndOfAsync(service, Ask));

        var copy = await service.CopyAsync("source");
        Assert.Equal(CopyState.Quarantined, copy.State);
        Assert.Equal("receive.source-missing", copy.Fault!.Code);
        Assert.Contains("verify this copy", copy.Fault.NextStep, StringComparison.Ordinal);
        Assert.Equal(1, copy.Damage!.BadChunks);
        Assert.Equal([1], copy.Damage.Chunks);
        Assert.False(copy.IsHot);
    }

    [Fact]
    public async Task A_version_whose_only_target_is_damaged_and_cannot_be_repaired_is_not_usable()
    {
        await using var service = await PublishedAsync();
        Assert.True(service.Pods.Damage(A, First, 1));
        Assert.True(service.Pods.Damage(Source, First, 1));

        await VerifyAsync(service, A);
        Assert.Equal(OperationState.Failed, await EndOfAsync(service, Ask));
        var version = await service.UntilAsync(First, v => v.Status == VersionStatus.Failed);
        Assert.False(version.IsUsable);
    }

    private static async Task<SiloUnderTest> PublishedAsync(int tries = 3, ScrubPolicy? scrub = null)
    {
        var service = await StartAsync(tries: tries, scrub: scrub);
        await service.ConnectAsync(("a", null));
        await service.ImportFirstAsync();
        await service.Client.PublishAsync(First, Publish());
        await service.UntilEndedAsync("publish-1");
        return service;
    }

    private static async Task VerifyAsync(SiloUnderTest service, PodName pod) =>
        Assert.True((await service.Grains.GetPod(pod).VerifyCopyAsync(First, Ask, By)).IsDone);

    private static async Task<OperationState> EndOfAsync(SiloUnderTest service, OperationId operation) =>
        (await UntilAsync(async () => (await service.Catalog.FindAsync(CatalogKind.Operation, operation.Value, Token))!.Read<OperationBody>(), b => b.State.IsEnded())).State;
}
