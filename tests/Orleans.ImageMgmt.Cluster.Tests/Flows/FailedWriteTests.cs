using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Storage;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>The crash matrix in small: a flow's n-th storage write fails, before or after it was committed, for every n.</summary>
public sealed class FailedWriteTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whichever_write_of_an_import_and_publish_fails_the_end_is_the_same(bool commits)
    {
        var writes = await RunAsync(new FailingStorage(int.MaxValue, commits));
        Assert.InRange(writes, 8, 60);
        for (var n = 1; n <= writes; n++)
        {
            await RunAsync(new FailingStorage(n, commits));
        }
    }

    /// <summary>How many writes the flow made.</summary>
    private static async Task<int> RunAsync(FailingStorage storage)
    {
        await using var service = await StartAsync(storage.Around);
        await service.ConnectAsync(("a", null), ("b", null));
        storage.Begin();
        await AgainAsync(() => service.Client.ImportAsync(Import()));
        await service.UntilAsync(First, v => v.Status == VersionStatus.DeploymentComplete);
        await AgainAsync(() => service.Client.PublishAsync(First, Publish()));
        Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
        var version = await service.UntilAsync(First, v => v.Status == VersionStatus.Available);
        foreach (var pod in (string[])["a", "b"])
        {
            var copy = await UntilAsync(() => service.CopyAsync(pod), c => c.State == CopyState.Available);
            Assert.Equal(version.Content!.ContentDigest, copy.Receipt!.ContentDigest);
        }

        await UntilAsync(() => service.Client.GetImageAsync(Win10), i => i.Status == ImageStatus.Available);
        await UntilAsync(async () => (await service.Catalog.ListUnfinishedOperationsAsync(null, 10, Token)).Count, n => n == 0);
        Assert.Equal(3, (await service.Catalog.CountByStatusAsync(CatalogKind.Copy, Token))["Available"]);
        return storage.Writes;
    }

    /// <summary>A caller that was not acknowledged asks again with the same operation id.</summary>
    private static async Task AgainAsync(Func<Task> ask)
    {
        try
        {
            await ask();
        }
        catch (Exception problem) when (problem is not Client.RefusedException)
        {
            await ask();
        }
    }

    private sealed class FailingStorage(int failing, bool commits)
    {
        private int writes;
        private bool isCounting;

        public int Writes => Volatile.Read(ref writes);

        public void Begin() => isCounting = true;

        public IGrainStorage Around(IGrainStorage inner) => new Decorated(inner, this);

        private sealed class Decorated(IGrainStorage inner, FailingStorage plan) : IGrainStorage
        {
            public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => inner.ReadStateAsync(stateName, grainId, grainState);

            public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => inner.ClearStateAsync(stateName, grainId, grainState);

            public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
            {
                var fails = plan.isCounting && Interlocked.Increment(ref plan.writes) == plan.FailingWrite;
                if (fails && !plan.Commits)
                {
                    throw new StoreUnavailableException(StoreUnavailableException.Full, "No room, on purpose.");
                }

                await inner.WriteStateAsync(stateName, grainId, grainState);
                if (fails)
                {
                    throw new StoreUnavailableException(StoreUnavailableException.Slow, "The answer was lost, on purpose.");
                }
            }
        }

        private int FailingWrite => failing;

        private bool Commits => commits;
    }
}
