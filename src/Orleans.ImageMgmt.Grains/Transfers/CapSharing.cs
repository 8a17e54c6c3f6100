using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

/// <summary>The grain of one cap that silos share: see <see cref="CapShares"/>.</summary>
[GrainType("cap")]
internal sealed class CapGrain(TimeProvider time) : Grain, ICapGrain
{
    private readonly long born = time.GetTimestamp();
    private readonly CapShares shares = new(TimeSpan.Zero);

    public Task<CapShare> AskAsync(CapAsk ask) => Task.FromResult(shares.Give(ask, time.GetElapsedTime(born)));
}

/// <summary>
/// In a cluster: asks for this silo's part of every cap that other silos use too, again and again while transfers want bytes through it. Without a part nothing goes
/// through, so a cap holds also while silos come, go or cannot hear each other.
/// </summary>
internal sealed class CapSharing(IGrainFactory grains, RateGate gate, PodRates rates, ILocalSiloDetails self, TimeProvider time, ILogger<CapSharing> log) : BackgroundService
{
    /// <summary>Four times in a lease: one answer that is late stops nobody.</summary>
    private static readonly TimeSpan Every = CapShares.Lease / 4;

    /// <summary>How often the caps of pods that live on other silos are read again, so that a change holds for what runs here.</summary>
    private static readonly TimeSpan ReadAgain = TimeSpan.FromSeconds(5);

    /// <summary>Caps that are asked for at once.</summary>
    private const int AtOnce = 64;

    private readonly SemaphoreSlim hungry = new(0, 1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        rates.Share(() =>
        {
            try
            {
                hungry.Release();
            }
            catch (SemaphoreFullException)
            {
                // It is awake already.
            }
        });
        var read = time.GetTimestamp();
        while (!stoppingToken.IsCancellationRequested)
        {
            var wants = gate.Demands();
            foreach (var some in wants.Chunk(AtOnce))
            {
                await Task.WhenAll(some.Select(demand => AskAsync(demand, stoppingToken)));
            }

            if (time.GetElapsedTime(read) >= ReadAgain)
            {
                read = time.GetTimestamp();
                await ReadCapsAsync(stoppingToken);
            }

            await WaitAsync(wants.Count > 0, stoppingToken);
        }
    }

    /// <summary>Sooner when somebody asks who has no part.</summary>
    private async Task WaitAsync(bool isBusy, CancellationToken stop)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var sleeping = Task.Delay(Every, time, either.Token);
        var waking = hungry.WaitAsync(either.Token);
        await (isBusy ? sleeping : Task.WhenAny(sleeping, waking)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await either.CancelAsync();
        await Task.WhenAll(sleeping, waking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    private async Task AskAsync(BucketDemand demand, CancellationToken stop)
    {
        var uses = demand.Uses;
        while (true)
        {
            var asked = time.GetTimestamp();
            CapShare share;
            try
            {
                share = await grains.GetCap(demand.Bucket).AskAsync(new CapAsk(self.SiloAddress.ToParsableString(), demand.Transfers, demand.Rate, uses)).WaitAsync(Every * 2, time, stop);
            }
            catch (Exception problem) when (problem is TimeoutException or OrleansException or OperationCanceledException)
            {
                CapLog.NoPart(log, demand.Bucket, problem.Message);
                return; // what is lent is good until it ends
            }

            gate.Lend(demand.Bucket, share.Part, share.Rate, asked + (long)(CapShares.Lease.TotalSeconds * time.TimestampFrequency));
            if (share.Part >= uses || demand.Transfers == 0)
            {
                return;
            }

            uses = share.Part; // said at once, so that others need not wait for what is free now
        }
    }

    private async Task ReadCapsAsync(CancellationToken stop)
    {
        foreach (var pod in rates.Sending(ReadAgain * 2))
        {
            try
            {
                rates.Set(pod, (await grains.GetPod(pod).GetAsync().WaitAsync(Every * 2, time, stop)).Pod.Spec?.Caps);
            }
            catch (Exception problem) when (problem is TimeoutException or OrleansException or OperationCanceledException)
            {
                CapLog.NotRead(log, pod.Value, problem.Message);
            }
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        hungry.Dispose();
    }
}

internal static partial class CapLog
{
    [LoggerMessage(EventId = 8140, Level = LogLevel.Warning, Message = "No part of the cap {Bucket} was given: {Problem}. Transfers through it wait until one is")]
    internal static partial void NoPart(ILogger logger, string bucket, string problem);

    [LoggerMessage(EventId = 8141, Level = LogLevel.Warning, Message = "The caps of pod {Pod} could not be read again: {Problem}. Those from before hold meanwhile")]
    internal static partial void NotRead(ILogger logger, string pod, string problem);
}
