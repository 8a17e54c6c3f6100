using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Host;

/// <summary>Where this process sits: in a silo, or in front of silos.</summary>
internal interface ISeat
{
    /// <summary>Why grains cannot be called from here now; null when they can.</summary>
    Task<Refusal?> WhyNotAsync(CancellationToken cancellationToken);
}

internal sealed class SiloSeat(ISiloStatusOracle silo) : ISeat
{
    public Task<Refusal?> WhyNotAsync(CancellationToken cancellationToken) => Task.FromResult(silo.CurrentStatus == SiloStatus.Active
        ? null
        : new Refusal("service.starting", $"The silo is {silo.CurrentStatus}.", "Ask again in a moment."));
}

/// <summary>One silo that answers is enough: a dead one's work is on its way to the others.</summary>
internal sealed class FrontEndSeat(IGrainFactory grains, TimeProvider time) : ISeat
{
    /// <summary>Calls that are sent at once, to different silos where there are several.</summary>
    private const int Calls = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    public async Task<Refusal?> WhyNotAsync(CancellationToken cancellationToken)
    {
        var calls = Enumerable.Range(0, Calls).Select(number => grains.GetPulse(number).BeatAsync()).ToList();
        using var limit = new CancellationTokenSource(Limit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await foreach (var call in Task.WhenEach(calls).WithCancellation(stop.Token))
            {
                if (call.IsCompletedSuccessfully)
                {
                    return null;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // None in time: the same as none.
        }

        return new Refusal("cluster.no-silo", "No silo of the cluster answers this front end.", "Look whether silos run, and whether their Cluster:FrontEndPort can be reached from here.");
    }
}
