using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: what the limits allow fits into what stores it. Method: records of the largest estate, put behind a grain's back where making them would take long.</summary>
public sealed class LargeEstateTests
{
    private static readonly ContentDescription Content = new(ContentKind.Disk, DigestOf('a'), 1 << 20, 1 << 20, DigestOf('b'), 1 << 20, 1, SourceFormat.Raw, 1 << 20, DigestOf('a'));

    [Fact]
    public async Task A_version_is_deleted_from_more_pods_at_once_than_one_write_has_lines()
    {
        var pods = Enumerable.Range(0, new DurableOptions().ProjectionsPerRow + 100).Select(n => new PodName($"pod-{n:D5}")).ToList();
        await using var service = await StartAsync();
        await service.StoreAsync(service.Grains.GetVersion(First).GetGrainId(), "version", new StoredVersion
        {
            Version = VersionMachine.Initial(First) with
            {
                Exists = true, Import = new OperationId("import-1"), ImportState = OperationState.Succeeded, Content = Content, Generation = new Generation(3), Former = pods,
            },
        });

        await service.Client.DeleteVersionAsync(First, new OperationId("delete-1"), By);

        Assert.Empty((await service.UntilAsync(First, v => v.Status == VersionStatus.Deleted)).Removing);
        Assert.Equal(Limits.PageRows, (await service.Catalog.ListActivityAsync(new ActivityQuery { Image = Win10.Value, Limit = Limits.PageRows }, Token)).Count(l => l.Action == "copy.deleted"));
    }

    [Fact]
    public async Task A_pod_whose_queue_is_full_takes_no_removal_either_and_one_that_it_has_already_is_the_same_one()
    {
        var pod = new PodName("full");
        var moving = Enumerable.Range(0, Limits.QueuePerPod).Select(n => CopyMachine.Initial(new VersionId(Win10, new VersionName($"0.{n}")), pod) with
        {
            State = CopyState.Deleting, Generation = new Generation(1), DeletedGeneration = new Generation(1), Revision = 1,
        }).ToList();
        await using var service = await StartAsync();
        var grain = service.Grains.GetPod(pod);
        await service.StoreAsync(grain.GetGrainId(), "pod", new StoredPod { Pod = PodMachine.Initial(pod) with { Spec = Spec(pod) }, Moving = moving });
        await service.StoreAsync(grain.GetGrainId(), $"copy/{First}", new StoredCopy
        {
            Copy = CopyMachine.Initial(First, pod) with { State = CopyState.Available, Generation = new Generation(1), Content = Content, Revision = 1 },
        });

        Assert.Equal("pod.queue-full", (await grain.DeleteCopyAsync(First, new Generation(2))).Refusal!.Code);
        Assert.Equal(CopyState.Available, (await service.CopyAsync("full")).State);
        Assert.Equal(CopyState.Deleting, (await grain.DeleteCopyAsync(moving[0].Version, new Generation(2))).Value!.State);
    }

    [Fact]
    public void A_version_with_as_many_targets_as_there_may_be_pods_fits_into_one_row()
    {
        var pods = Enumerable.Range(0, Limits.Pods).Select(n => new PodName($"{n:D64}")).ToList();
        var operations = Enumerable.Range(0, 4).Select(n => new OperationId($"{n:D64}")).ToList();
        var version = VersionMachine.Initial(First) with
        {
            Exists = true, Import = operations[0], ImportState = OperationState.Succeeded, Content = Content, Description = new string('ü', Limits.DescriptionLength), SourcePod = pods[0],
        };
        version = operations.Aggregate(version, (v, o) => VersionMachine.Decide(v, new VersionCommand.BeginPublish(o, pods)).Events.Aggregate(v, (w, e) => VersionMachine.Evolve(w, e, DateTimeOffset.UnixEpoch)));
        var stored = new StoredVersion
        {
            Version = version with { Former = pods }, Unconfirmed = [.. operations.Select(o => new PublishOrder(o, First, version.Generation, Content, pods[0], pods, By))],
        };

        Assert.InRange(StateJson.Save(stored).Length, 1, new DurableOptions().PayloadLimit);
    }

    [Fact]
    public void An_image_with_as_many_versions_as_it_may_have_fits_into_one_row()
    {
        var entry = new VersionEntry(VersionName.First, VersionStatus.DeploymentComplete, false, new OperationId("import"), VersionName.First, new SourceRef(new string('p', Limits.SettingLength)),
            new string('ü', Limits.DescriptionLength), By, true, Source);
        var image = ImageMachine.Initial(Win10) with { Exists = true, Versions = [.. Enumerable.Range(0, Limits.VersionsPerImage).Select(n => entry with { Name = new VersionName($"{n:D64}") })] };

        Assert.InRange(StateJson.Save(new StoredImage { Image = image }).Length, 1, new DurableOptions().PayloadLimit);
    }

    [Fact]
    public void What_a_shard_stores_does_not_grow_with_the_publish()
    {
        PublishOrder Of(int pods) => new(new OperationId("p"), First, new Generation(1), Content, Source, [.. Enumerable.Range(0, pods).Select(n => new PodName($"pod-{n:D5}"))], By);
        byte[] Stored(PublishOrder order) => StateJson.Save(new StoredShard
        {
            Shard = ShardMachine.Decide(ShardMachine.Initial(0), new ShardCommand.Drive(PublishMachine.SliceOf(order, 0), 0)).Events.Aggregate(ShardMachine.Initial(0), ShardMachine.Evolve),
        });

        Assert.Equal(Limits.PodsPerShard, PublishMachine.SliceOf(Of(Limits.Pods), 39).Targets.Count);
        Assert.Equal(Stored(Of(Limits.PodsPerShard)), Stored(Of(Limits.Pods)));
    }

    [Fact]
    public void A_pods_record_remembers_one_write_and_not_its_whole_past()
    {
        var pod = PodMachine.Initial(new PodName("old"));
        var record = Enumerable.Range(1, 5).Aggregate(new StoredPod { Pod = pod }, (before, n) => new StoredPod { Pod = pod with { BytesPerSecond = n }, Before = before });

        Assert.Equal(4, record.Before!.Pod!.BytesPerSecond);
        Assert.Null(record.Before.Before);
    }

    private static Digest DigestOf(char digit) => new("sha256:" + new string(digit, 64));
}
