using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Orleans.Hosting;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.TestingHost;
using Orleans.Timers;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

public sealed class ReminderTests
{
    [Fact]
    public async Task A_reminder_fires_in_the_silo_that_was_started_after_the_one_that_registered_it()
    {
        await using var folder = new StoreFolder();
        var key = Guid.NewGuid().ToString("N");
        await using (var first = await StartAsync(folder))
        {
            await first.Client.GetGrain<IBellGrain>(key).SetAsync();
            await first.Client.GetGrain<IBellGrain>(key).SetAsync();
        }

        await folder.ReopenAsync();
        var rings = Bells.Listen(key);
        await using var second = await StartAsync(folder);

        Assert.Equal("ring", await rings.WaitAsync(StoreFolder.Token));
        Assert.Equal(2, await second.Client.GetGrain<IBellGrain>(key).CountAsync());
        await second.Client.GetGrain<IBellGrain>(key).RemoveAsync();
        Assert.Equal(0, await second.Client.GetGrain<IBellGrain>(key).RemindersAsync());
    }

    private static async Task<InProcessTestCluster> StartAsync(StoreFolder folder)
    {
        var builder = new InProcessTestClusterBuilder(1);
        builder.Options.ServiceId = "reminder-test";
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddEmbeddedStorage(folder.Store).UseEmbeddedReminders(folder.Path);
            silo.Configure<ReminderOptions>(options => options.MinimumReminderPeriod = TimeSpan.FromMilliseconds(100));
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return cluster;
    }
}

[Alias("im.test.Bell")]
public interface IBellGrain : IGrainWithStringKey
{
    [Alias("Set")]
    Task SetAsync();

    [Alias("Remove")]
    Task RemoveAsync();

    [Alias("Count")]
    Task<int> CountAsync();

    [Alias("Reminders")]
    Task<int> RemindersAsync();
}

[GrainType("test-bell")]
internal sealed class BellGrain([PersistentState("state")] IPersistentState<Box> state) : Grain, IBellGrain, IRemindable
{
    public async Task SetAsync()
    {
        state.State.Count++;
        await state.WriteStateAsync();
        await this.RegisterOrUpdateReminder("ring", TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(200));
    }

    public async Task RemoveAsync() => await this.UnregisterReminder((await this.GetReminder("ring"))!);

    public Task<int> CountAsync() => Task.FromResult(state.State.Count);

    public async Task<int> RemindersAsync() => (await this.GetReminders()).Count;

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        Bells.Ring(this.GetPrimaryKeyString(), reminderName);
        return Task.CompletedTask;
    }
}

/// <summary>Who hears a reminder of which grain. The test listens only after the first silo has gone.</summary>
internal static class Bells
{
    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, TaskCompletionSource<string>> Listeners = new();

    public static Task<string> Listen(string key) => Listeners.GetOrAdd(key, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public static void Ring(string key, string name)
    {
        if (Listeners.TryGetValue(key, out var listener))
        {
            listener.TrySetResult(name);
        }
    }
}
