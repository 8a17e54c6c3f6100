using Orleans.Concurrency;
using Orleans.ImageMgmt.Client;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

[GrainType("pulse"), StatelessWorker, Reentrant]
internal sealed class PulseGrain : Grain, IPulseGrain
{
    public Task BeatAsync() => Task.CompletedTask;
}
