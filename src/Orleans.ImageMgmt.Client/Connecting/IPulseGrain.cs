using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>Answers on the silo that was asked, and touches nothing: for a process without a silo, the proof that it reaches one.</summary>
[Alias(Aliases.PulseGrain)]
internal interface IPulseGrain : IGrainWithIntegerKey
{
    [Alias("Beat")]
    Task BeatAsync();
}
