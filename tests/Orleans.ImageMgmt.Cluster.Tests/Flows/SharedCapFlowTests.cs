using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.MovedPodTests;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: a cap of what goes out from a pod is one cap, on whatever silos its receivers live. Method: two silos in one process, a receiver on each.</summary>
public sealed class SharedCapFlowTests
{
    private const long Cap = 250_000; // 2 Mbit/s: 9 MiB take longer than the test looks

    [Fact]
    public async Task Transfers_on_two_silos_share_what_goes_out_from_one_pod_and_follow_its_changes()
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-caps-");
        try
        {
            await ShareAsync(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task ShareAsync(string folder)
    {
        await using var service = await StartAsync(silos: 2, shareCaps: true);
        var sources = Directory.CreateDirectory(Path.Combine(folder, "sources")).FullName;
        var image = new byte[9 << 20];
        new Random(5).NextBytes(image);
        await File.WriteAllBytesAsync(Path.Combine(sources, "disk"), image, Token);
        await service.ConnectAsync(FilesystemPod(folder, Source, new() { ["sources"] = sources }));
        await service.ConnectAsync(FilesystemPod(folder, new PodName("a"), []));
        await service.ConnectAsync(FilesystemPod(folder, new PodName("b"), []));
        await service.ImportFirstAsync();
        await ToSiloAsync(service, "a", service.Silos[0]);
        await ToSiloAsync(service, "b", service.Silos[1]);
        await service.Client.SetPodCapsAsync(Source, new PodCaps { Out = "2Mbit/s" }, By);
        await service.Client.PublishAsync(First, Publish("publish-1", "a", "b"));

        await UntilAsync(() => Watched(service), rates => rates == (Cap / 2, Cap / 2));
        foreach (var pod in (string[])["a", "b"])
        {
            await UntilAsync(() => service.Client.GetCopyAsync(new PodName(pod), First), v => v.Progress is { BytesTravelled: > 0 });
        }

        // One of them is done with: the other one has all of it. At no moment do both together have more.
        await service.Client.PausePublishAsync(new OperationId("publish-1"), By);
        await UntilAsync(() => Watched(service), rates => rates == (0, 0));
        await service.Client.PublishAsync(First, Publish("publish-2", "b"));
        await UntilAsync(() => Watched(service), rates => rates == (0, Cap));

        // Taken away where the pod lives, it is taken away where its receivers live.
        await service.Client.SetPodCapsAsync(Source, PodCaps.None, By);
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-2")).State);
    }

    private static Task<(long, long)> Watched(SiloUnderTest service)
    {
        var rates = service.RatesOf("out/source");
        Assert.True(rates[0] + rates[1] <= Cap, $"{rates[0]} and {rates[1]}");
        return Task.FromResult((rates[0], rates[1]));
    }

    private static async Task ToSiloAsync(SiloUnderTest service, string pod, SiloAddress silo)
    {
        var grain = service.Grains.GetPod(new PodName(pod));
        if (!silo.Equals(await service.SiloOfAsync(grain)))
        {
            await MoveAsync(grain, silo);
            await UntilAsync(() => service.SiloOfAsync(grain), silo.Equals);
        }
    }
}
