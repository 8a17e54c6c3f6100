using System.Net;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Host;

/// <summary>The block server, which gives receivers on other machines what pods of this process hold, and the calls to other block servers (section
/// <c>Blocks</c>).</summary>
internal sealed class BlocksOptions
{
    /// <summary>Address and port of the block server, such as <c>127.0.0.1:7482</c> or <c>10.0.0.5:7482</c>; port 0 takes any free one. Always TLS.
    /// Default: empty: off.</summary>
    public string Listen { get; set; } = "";

    /// <summary>Address under which platforms that fetch a whole artefact reach this block server, such as <c>https://images.example:7482</c>.
    /// Default: empty: no such address is given.</summary>
    public string PublicUrl { get; set; } = "";

    /// <summary>How long a ticket is good. Default: 10 min; a receiver has it renewed.</summary>
    public TimeSpan TicketLife { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How far the clocks of two machines may differ. Default: 2 min; a ticket is taken so much longer.</summary>
    public TimeSpan ClockSkew { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>A ticket that is good for longer is refused. Default: 1 h.</summary>
    public TimeSpan TicketLifeLimit { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Reads under way with one ticket. Default: 8: twice as many as a receiver's connections.</summary>
    public int ReadsPerTicket { get; set; } = 8;

    /// <summary>Reads under way in all, at most 2 MiB of memory each. Default: 32.</summary>
    public int Reads { get; set; } = 32;

    /// <summary>Reads that wait for their turn; more are answered 503. Default: 256.</summary>
    public int ReadsWaiting { get; set; } = 256;

    /// <summary>Longest wait of a read for its turn, and of a copy to be opened. Default: 10 s; then the answer is 503.</summary>
    public TimeSpan TurnWait { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest time for a receiver to take one answer of at most 2 MiB; then its connection is closed. Default: 60 s.</summary>
    public TimeSpan SendTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Copies kept open at once. Default: 64.</summary>
    public int OpenCopies { get; set; } = 64;

    /// <summary>How long a copy stays open before it is looked up again, in case that it was deleted or found damaged. Default: 2 min.</summary>
    public TimeSpan OpenFor { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>Open connections; more are closed at once. Default: 256.</summary>
    public int Connections { get; set; } = 256;

    /// <summary>Open connections from one address, so that one machine cannot take them all. Default: 64.</summary>
    public int ConnectionsPerAddress { get; set; } = 64;

    /// <summary>Time for all headers of a request to come, and for a TLS handshake. Default: 10 s.</summary>
    public TimeSpan HeadersTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an idle connection is kept. Default: 1 min.</summary>
    public TimeSpan KeepAliveTimeout { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>As a receiver: requests of one transfer under way, each on a connection of its own. Default: 4: more are no faster.</summary>
    public int ConnectionsPerTransfer { get; set; } = 4;

    /// <summary>As a receiver: longest time for one request, its answer of at most 2 MiB included. Default: 30 s.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>As a receiver: how often a request that broke is made before the transfer's own retry takes over. Default: 3.</summary>
    public int Tries { get; set; } = 3;

    /// <summary>At a site (<c>imgmt blocks --receive</c>): calls of the service under way, one for each transfer, probe or verification. Default: 64; more are
    /// answered 503 and come again.</summary>
    public int Calls { get; set; } = 64;

    public bool IsOn => Listen.Length > 0;

    internal BlockLimits Limits => new()
    {
        ReadsPerTicket = ReadsPerTicket,
        ReadsAtOnce = Reads,
        Waiting = ReadsWaiting,
        TurnWait = TurnWait,
        OpenCopies = OpenCopies,
        OpenFor = OpenFor,
    };

    internal BlockCallOptions Asking => new()
    {
        Connections = ConnectionsPerTransfer,
        RequestTimeout = RequestTimeout,
        Tries = Tries,
        RenewBefore = TicketLife / 5,
    };

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        if (IsOn && !IPEndPoint.TryParse(Listen, out _))
        {
            faults.Add($"{nameof(Listen)} is '{Listen}'; an address of this machine and a port are expected, such as 127.0.0.1:7482, or 0.0.0.0:7482 for all addresses.");
        }

        if (PublicUrl.Length > 0 && (!Uri.TryCreate(PublicUrl, UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps || url.PathAndQuery != "/"))
        {
            faults.Add($"{nameof(PublicUrl)} is '{PublicUrl}'; an address such as https://images.example:7482 is expected.");
        }

        Within(faults, nameof(TicketLife), TicketLife, TimeSpan.FromSeconds(10), TicketLifeLimit);
        Within(faults, nameof(ClockSkew), ClockSkew, TimeSpan.Zero, TimeSpan.FromMinutes(10));
        Within(faults, nameof(TicketLifeLimit), TicketLifeLimit, TimeSpan.FromMinutes(1), TimeSpan.FromHours(24));
        Within(faults, nameof(ReadsPerTicket), ReadsPerTicket, 1, 64);
        Within(faults, nameof(Reads), Reads, 1, 1_024);
        Within(faults, nameof(ReadsWaiting), ReadsWaiting, 0, 10_000);
        Within(faults, nameof(TurnWait), TurnWait, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1));
        Within(faults, nameof(SendTimeout), SendTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        Within(faults, nameof(OpenCopies), OpenCopies, 1, 10_000);
        Within(faults, nameof(OpenFor), OpenFor, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        Within(faults, nameof(Connections), Connections, 1, 100_000);
        Within(faults, nameof(ConnectionsPerAddress), ConnectionsPerAddress, 1, 100_000);
        Within(faults, nameof(HeadersTimeout), HeadersTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        Within(faults, nameof(KeepAliveTimeout), KeepAliveTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        Within(faults, nameof(ConnectionsPerTransfer), ConnectionsPerTransfer, 1, 64);
        Within(faults, nameof(RequestTimeout), RequestTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        Within(faults, nameof(Tries), Tries, 1, 20);
        Within(faults, nameof(Calls), Calls, 1, 1_024);
        return faults;
    }

    private static void Within<T>(List<string> faults, string name, T value, T least, T most) where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
        {
            faults.Add($"{name} is {value}; it must be from {least} to {most}.");
        }
    }
}
