using System.Net;

namespace Orleans.ImageMgmt.Host;

/// <summary>A port of its own for the probes of a container platform or a balancer, which have no token (section <c>Probes</c>). It answers <c>/livez</c>,
/// <c>/readyz</c> and <c>/startupz</c> with one word each and tells nothing else.</summary>
internal sealed class ProbesOptions
{
    /// <summary>Address and port, such as <c>0.0.0.0:7483</c>; port 0 takes any free one. Default: empty: no such port; <c>Http:Listen</c> answers the same paths, the last two
    /// to holders of a token.</summary>
    public string Listen { get; set; } = "";

    public bool IsOn => Listen.Length > 0;

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults() => !IsOn || (IPEndPoint.TryParse(Listen, out _) && Listen.Contains(':', StringComparison.Ordinal))
        ? []
        : [$"{nameof(Listen)} is '{Listen}'; an address and a port are expected, such as 0.0.0.0:7483."];
}
