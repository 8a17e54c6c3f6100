using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: pods give each other what they have, whatever one of them does. Method: pods in folders, told to behave as if a link lay between them.</summary>
public sealed class FanOutFlowTests : IDisposable
{
    private const int Mebibytes = 24;
    private const long ImageBytes = (long)Mebibytes << 20;
    private const int PieceMebibytes = 4;

    /// <summary>A source pod that is read as over a plain link: chunk by chunk, as the plans of the other pods act on chunks.</summary>
    private const string AsLink = "open:slow=1GB/s";

    private readonly string root = Directory.CreateTempSubdirectory("imgmt-fan-out-").FullName;

    [Fact]
    public async Task The_source_pod_gives_little_more_than_one_image_and_the_pods_the_rest()
    {
        await using var service = await StartAsync(FanOutUse.Always, "open:slow=40MB/s");
        string[] pods = ["a", "b", "c", "d", "e", "f"];
        foreach (var pod in pods)
        {
            await service.ConnectAsync(Pod(pod, "open:slow=40MB/s"));
        }

        await PublishAsync(service, "publish-1", pods);
        var moved = service.Transfers.BytesMoved - service.Transfers.BytesFromPeers;
        Assert.Equal(pods.Length * ImageBytes, service.Transfers.BytesMoved);
        Assert.InRange(moved, ImageBytes, ImageBytes * 3 / 2);
    }

    [Fact]
    public async Task A_pod_that_sends_wrong_bytes_is_named_and_set_aside_and_everybody_ends_right()
    {
        await using var service = await StartAsync(FanOutUse.Always, AsLink);
        await service.ConnectAsync(Pod("liar", "open:corrupt:times=100000"));
        await PublishAsync(service, "publish-1", "liar");
        await service.ConnectAsync(Pod("b"));
        await service.ConnectAsync(Pod("c"));

        await PublishAsync(service, "publish-2", "b", "c");
        Assert.Equal(1, service.Transfers.PeersSetAside);
        Assert.True(service.Transfers.ChunksWrong >= 1);
        var line = await UntilAsync(
            async () => (await service.Catalog.ListActivityAsync(new ActivityQuery { Pod = "liar" }, Token)).FirstOrDefault(row => row.Action == "copy.peer-set-aside"),
            row => row is not null);
        Assert.Contains("Pod liar sent wrong bytes of Win10POS/1.0", line!.Body, StringComparison.Ordinal);
        Assert.Equal(1, (await service.CopyAsync("b")).Attempt);
        Assert.Equal(1, (await service.CopyAsync("c")).Attempt);
    }

    [Theory]
    [InlineData("open:refuse:chunk=6:times=100000")]
    [InlineData("open:refuse:times=100000")]
    public async Task A_pod_that_dies_while_it_gives_is_replaced_and_nothing_that_was_verified_is_asked_again(string plan)
    {
        await using var service = await StartAsync(FanOutUse.Always, AsLink);
        await service.ConnectAsync(Pod("dying", plan));
        await PublishAsync(service, "publish-1", "dying");
        await service.ConnectAsync(Pod("b"));

        var before = service.Transfers.BytesFromPeers;
        await PublishAsync(service, "publish-2", "b");
        var copy = await service.CopyAsync("b");
        Assert.Equal(1, copy.Attempt);
        Assert.Equal(ImageBytes, copy.Receipt!.BytesSent);
        Assert.Equal(plan.Contains("chunk", StringComparison.Ordinal), service.Transfers.BytesFromPeers > before);
    }

    [Fact]
    public async Task On_one_machine_copies_are_made_from_the_source_pods_file()
    {
        await using var service = await StartAsync(FanOutUse.Remote);
        await service.ConnectAsync(Pod("a"));
        await service.ConnectAsync(Pod("b"));
        await PublishAsync(service, "publish-1", "a", "b");
        Assert.Equal(0, service.Transfers.BytesFromPeers);
    }

    [Fact]
    public async Task A_link_between_source_and_receiver_brings_the_pods_in()
    {
        await using var service = await StartAsync(FanOutUse.Remote, AsLink);
        await service.ConnectAsync(Pod("a"));
        await PublishAsync(service, "publish-1", "a");
        await service.ConnectAsync(Pod("b"));
        await PublishAsync(service, "publish-2", "b");
        Assert.True(service.Transfers.BytesFromPeers > 0);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private async Task<SiloUnderTest> StartAsync(FanOutUse use, string? sourcePlan = null)
    {
        var service = await SiloUnderTest.StartAsync(configure: options => (options.FanOut, options.FanOutPieceBytes) = (use, (long)PieceMebibytes << 20));
        var sources = Directory.CreateDirectory(Path.Combine(root, "sources")).FullName;
        var bytes = new byte[ImageBytes];
        new Random(7).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(sources, "disk.raw"), bytes, Token);
        var spec = Pod(Source.Value, sourcePlan);
        await service.ConnectAsync(spec with { Settings = new Dictionary<string, string>(spec.Settings) { ["sources"] = sources } });
        await service.Client.ImportAsync(Import(path: "disk.raw"));
        await service.UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);
        return service;
    }

    private PodSpec Pod(string name, string? plan = null)
    {
        var settings = new Dictionary<string, string>
        {
            ["datastore.main"] = Directory.CreateDirectory(Path.Combine(root, name)).FullName,
            ["reserve"] = "0",
        };
        if (plan is not null)
        {
            settings["fault-plan"] = plan;
        }

        return new PodSpec(new PodName(name), "filesystem", settings, new Dictionary<string, string>(), Slots: 2);
    }

    private static async Task PublishAsync(SiloUnderTest service, string operation, params string[] pods)
    {
        await service.Client.PublishAsync(First, Publish(operation, pods));
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync(operation)).State);
        var content = (await service.Client.GetVersionAsync(First)).Content!;
        foreach (var pod in pods)
        {
            Assert.Equal(content.ContentDigest, (await service.CopyAsync(pod)).Receipt!.ContentDigest);
        }
    }
}
