using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>Divides one cap that several silos use at once: what goes out from a pod, or over a link. Keeps nothing: shares are leases of seconds.</summary>
[Alias(Aliases.CapGrain)]
internal interface ICapGrain : IGrainWithStringKey
{
    /// <summary>Gives the asker its part for one lease, counted from when it asked.</summary>
    [Alias("Ask")]
    Task<CapShare> AskAsync(CapAsk ask);
}
