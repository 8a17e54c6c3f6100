using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Caps as requests bring them.</summary>
internal static class PodCapsDoor
{
    /// <summary>As the domain has them; every fault is told under its field. Null where none are given.</summary>
    public static PodCaps? Read(Ask ask, Wire.PodCapsResource? given)
    {
        if (given is null)
        {
            return null;
        }

        var caps = new PodCaps { In = given.In, Out = given.Out, Link = given.Link, LinkRate = given.LinkRate, TimeZone = given.TimeZone };
        foreach (var (field, fault) in PodRates.FaultsOf(caps))
        {
            ask.Fault($"caps.{char.ToLowerInvariant(field[0])}{field[1..]}", "field.invalid", $"{char.ToUpperInvariant(fault[0])}{fault[1..]}.");
        }

        return caps;
    }
}
