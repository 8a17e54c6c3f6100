namespace Orleans.ImageMgmt.Domain;

/// <summary>What a silo asks of a cap that several silos use at once.</summary>
/// <param name="Silo">Who asks.</param>
/// <param name="Transfers">Transfers there that want bytes through it; 0 gives the share back.</param>
/// <param name="Rate">Bytes a second of the whole cap now, as far as this silo knows.</param>
/// <param name="Uses">The part of it that the silo lets through now.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CapAsk)]
internal sealed record CapAsk([property: Id(0)] string Silo, [property: Id(1)] int Transfers, [property: Id(2)] long Rate, [property: Id(3)] double Uses);

/// <summary>The part of a cap that a silo may let through.</summary>
/// <param name="Part">0 to 1.</param>
/// <param name="Rate">Bytes a second of the whole cap: the lowest that any of the silos knows.</param>
[GenerateSerializer, Immutable, Alias(Aliases.CapShare)]
internal sealed record CapShare([property: Id(0)] double Part, [property: Id(1)] long Rate);

/// <summary>
/// Divides one cap among silos by the transfers that each has. A share is a lease: who does not ask again in time has nothing any more. A share that was made
/// smaller counts as it was until the silo has said that it uses the smaller one, so the parts in use never add up to more than the whole,
/// whatever is late or lost on the way.
/// </summary>
/// <param name="bornAt">When this memory began. For one lease nothing more is given than is in use: an earlier memory may have given it.</param>
internal sealed class CapShares(TimeSpan bornAt)
{
    /// <summary>How long a share is good for, from the moment at which it was asked.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, Holder> holders = new(StringComparer.Ordinal);

    /// <summary>Gives a share, for <see cref="Lease"/>.</summary>
    public CapShare Give(CapAsk ask, TimeSpan now)
    {
        foreach (var silo in holders.Where(h => h.Value.Until <= now).Select(h => h.Key).ToList())
        {
            holders.Remove(silo);
        }

        holders.Remove(ask.Silo);
        if (ask.Transfers <= 0)
        {
            return new CapShare(0, ask.Rate);
        }

        var wanted = (double)ask.Transfers / (ask.Transfers + holders.Values.Sum(h => h.Transfers));
        var free = Math.Max(0, 1 - holders.Values.Sum(h => h.Counts));
        var part = Math.Min(wanted, now < bornAt + Lease ? Math.Min(free, ask.Uses) : free);
        holders[ask.Silo] = new Holder(ask.Transfers, ask.Rate, Math.Max(part, ask.Uses), now + Lease);
        return new CapShare(part, holders.Values.Min(h => h.Rate));
    }

    private sealed record Holder(int Transfers, long Rate, double Counts, TimeSpan Until);
}
