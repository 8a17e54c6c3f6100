using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>A publish that runs until somebody ends it: a simulated pod that takes a first chunk and then stalls.</summary>
internal static class RunningPublish
{
    private const string Import = "import-held";
    private const string Publish = "publish-held";

    /// <returns>The operation's id.</returns>
    public static async Task<string> BeginAsync(HttpClient http)
    {
        var client = new ImageMgmtHttpClient(http);
        await ConnectAsync(client, "held-source", ("source.golden", "length=4MiB,data=2MiB,seed=7"));
        await ConnectAsync(client, "held-target", ("fault-plan", "receive:stall=30m"));
        await client.ImportAsync("held", new ImportRequest { Pod = "held-source", Source = "golden" }, Import, DoorsHost.Stop);
        await Until.TrueAsync(async () => (await client.GetOperationAsync(Import, DoorsHost.Stop)).IsEnded, "the import has ended");
        Assert.Equal(OperationState.Succeeded, (await client.GetOperationAsync(Import, DoorsHost.Stop)).State);
        await client.PublishAsync("held", "1.0", new PublishRequest { Pods = ["held-target"] }, Publish, cancellationToken: DoorsHost.Stop);
        await Until.TrueAsync(async () => await client.AllTargetsAsync(Publish, DoorsHost.Stop).AnyAsync(target => target.State == CopyState.Replicating, DoorsHost.Stop), "the copy is on its way");
        return Publish;
    }

    public static async Task ConnectAsync(ImageMgmtHttpClient client, string pod, params (string Key, string Value)[] settings)
    {
        await client.ConnectPodAsync(pod, new ConnectPodRequest { Family = "simulated", Settings = settings.ToDictionary(s => s.Key, s => s.Value) }, cancellationToken: DoorsHost.Stop);
        await Until.TrueAsync(async () => (await client.GetPodAsync(pod, DoorsHost.Stop)).State == PodState.Connected, $"pod {pod} is connected");
    }
}
