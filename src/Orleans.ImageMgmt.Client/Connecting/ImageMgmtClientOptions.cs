using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Orleans.ImageMgmt.Client;

/// <summary>How a frontend reaches the Orleans gateway of an ImageMgmt service, and who it is there.</summary>
public sealed class ImageMgmtClientOptions
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>Addresses of gateways, each <c>HOST:PORT</c>, such as <c>127.0.0.1:7481</c>. At least one is needed.</summary>
    public IList<string> Gateways { get; } = [];

    /// <summary>PEM file with this caller's certificate: <c>client.crt</c> of <c>imgmt trust issue-client</c>. Needed.</summary>
    public string CertificateFile { get; set; } = "";

    /// <summary>PEM file with the key of that certificate: <c>client.key</c>. Needed.</summary>
    public string KeyFile { get; set; } = "";

    /// <summary>PEM file with the certificate of the service's authority: <c>ca.crt</c>. Needed.</summary>
    public string AuthorityFile { get; set; } = "";

    /// <summary>Name of the cluster. Default: <c>embedded</c>, which a service on one machine has.</summary>
    public string ClusterId { get; set; } = "embedded";

    /// <summary>Name of the service, which its clusters share. Default: <c>imgmt</c>.</summary>
    public string ServiceId { get; set; } = "imgmt";

    /// <summary>Longest wait for the answer to one call. Default: 30 s.</summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the start of the host goes on trying while no gateway answers. Default: 30 s. Later the client connects again by itself, for ever.</summary>
    public TimeSpan ConnectLimit { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Wait between two tries to connect. Default: 1 s.</summary>
    public TimeSpan ConnectRetry { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Every fault of these options, one sentence each; empty when they can be used.</summary>
    /// <returns>The faults, in the order of the options.</returns>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        if (Gateways.Count == 0)
        {
            faults.Add($"{nameof(Gateways)} is empty; name at least one gateway, such as 127.0.0.1:7481.");
        }

        faults.AddRange(from gateway in Gateways where !TryParse(gateway, out _, out _) select $"{nameof(Gateways)} has '{gateway}'; HOST:PORT is expected, such as 127.0.0.1:7481.");
        CheckFile(faults, nameof(CertificateFile), CertificateFile, "client.crt");
        CheckFile(faults, nameof(KeyFile), KeyFile, "client.key");
        CheckFile(faults, nameof(AuthorityFile), AuthorityFile, "ca.crt");
        CheckName(faults, nameof(ClusterId), ClusterId);
        CheckName(faults, nameof(ServiceId), ServiceId);
        CheckTime(faults, nameof(ResponseTimeout), ResponseTimeout, TimeSpan.FromSeconds(1));
        CheckTime(faults, nameof(ConnectLimit), ConnectLimit, TimeSpan.Zero);
        CheckTime(faults, nameof(ConnectRetry), ConnectRetry, TimeSpan.FromMilliseconds(50));
        return faults;
    }

    /// <summary>The gateways as addresses; names are looked up now.</summary>
    /// <exception cref="SocketException">A name is not known.</exception>
    internal IPEndPoint[] Resolve() =>
    [
        .. from gateway in Gateways
           let parts = TryParse(gateway, out var host, out var port) ? (host, port) : throw new ArgumentException($"'{gateway}' is no gateway.", nameof(gateway))
           from address in IPAddress.TryParse(parts.host, out var literal) ? [literal] : Dns.GetHostAddresses(parts.host)
           select new IPEndPoint(address, parts.port),
    ];

    private static bool TryParse(string? gateway, out string host, out int port)
    {
        var colon = gateway?.LastIndexOf(':') ?? -1;
        (host, port) = ("", 0);
        if (colon <= 0 || !int.TryParse(gateway.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is 0 or > IPEndPoint.MaxPort)
        {
            return false;
        }

        host = gateway![..colon].Trim('[', ']');
        return Uri.CheckHostName(host) != UriHostNameType.Unknown;
    }

    private static void CheckFile(List<string> faults, string option, string path, string example)
    {
        if (path.Length == 0)
        {
            faults.Add($"{option} is empty; name the file {example} that 'imgmt trust issue-client' made.");
        }
        else if (!File.Exists(path))
        {
            faults.Add($"{option} is '{path}', where no file is that this user can see.");
        }
    }

    private static void CheckName(List<string> faults, string option, string value)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            faults.Add($"{option} is empty; leave it at its default for a service on one machine.");
        }
    }

    private static void CheckTime(List<string> faults, string option, TimeSpan value, TimeSpan least)
    {
        if (value < least || value > Longest)
        {
            faults.Add($"{option} is {value}; it must be from {least} to {Longest}.");
        }
    }
}
