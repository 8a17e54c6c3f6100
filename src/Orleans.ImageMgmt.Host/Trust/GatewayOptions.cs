using System.Net;

namespace Orleans.ImageMgmt.Host;

/// <summary>The Orleans gateway, through which frontends with the client SDK call the service (section <c>Gateway</c>).</summary>
internal sealed class GatewayOptions
{
    /// <summary>Address and port, such as <c>127.0.0.1:7481</c>; port 0 takes any free one. Callers need a certificate: <c>imgmt trust issue-client</c>.
    /// Default: empty: off.</summary>
    public string Listen { get; set; } = "";

    /// <summary>Longest message that a caller may send, in bytes. Default: 4 MiB: a publish that names 10,000 pods is a sixth of it.</summary>
    public int MessageBytes { get; set; } = 4 << 20;

    /// <summary>How long a caller may take for its first message once TLS stands; its connection is closed then. Default: 10 s: a client sends it at once.</summary>
    public TimeSpan GreetingTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public bool IsOn => Listen.Length > 0;

    /// <summary>Every fault of these settings, in one sentence each; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        if (IsOn && (!IPEndPoint.TryParse(Listen, out var listen) || listen.Address.Equals(IPAddress.Any) || listen.Address.Equals(IPAddress.IPv6Any)))
        {
            faults.Add($"{nameof(Listen)} is '{Listen}'; one address of this machine and a port are expected, such as 127.0.0.1:7481.");
        }

        if (MessageBytes is < 64 << 10 or > 64 << 20)
        {
            faults.Add($"{nameof(MessageBytes)} is {MessageBytes}; it must be from 65536 to 67108864.");
        }

        if (GreetingTimeout < TimeSpan.FromMilliseconds(100) || GreetingTimeout > TimeSpan.FromMinutes(5))
        {
            faults.Add($"{nameof(GreetingTimeout)} is {GreetingTimeout}; it must be from 00:00:00.1000000 to 00:05:00.");
        }

        return faults;
    }
}
