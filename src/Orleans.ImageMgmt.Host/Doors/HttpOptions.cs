using System.Net;

namespace Orleans.ImageMgmt.Host;

/// <summary>How HTTP is served (section <c>Http</c>).</summary>
internal sealed class HttpOptions
{
    /// <summary>Address and port, such as <c>http://127.0.0.1:7480</c>; port 0 takes any free one. Default: <c>http://127.0.0.1:7480</c>: nobody outside this machine.</summary>
    public string Listen { get; set; } = "http://127.0.0.1:7480";

    /// <summary>Listen outside loopback without TLS, so that everybody on the way can read the tokens. Default: false.</summary>
    public bool AllowPlainHttpOnNetwork { get; set; }

    /// <summary>PEM file of the server's certificate with its chain; read again when it changes. Default: none, no TLS.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>PEM file of the certificate's key. Default: none, the key stands in the certificate's file.</summary>
    public string? CertificateKeyFile { get; set; }

    /// <summary>Serve the Orleans dashboard at <c>/dashboard</c>. Default: true.</summary>
    public bool Dashboard { get; set; } = true;

    /// <summary>Longest body of a request; uploads have their own limit. Default: 1 MiB: the largest plan of labels and names is far below.</summary>
    public int BodyLimitBytes { get; set; } = 1 << 20;

    /// <summary>All headers of a request together. Default: 32 KiB: a token and a few cookies fit many times.</summary>
    public int HeadersLimitBytes { get; set; } = 32 << 10;

    /// <summary>Headers of one request. Default: 64: browsers send about twenty.</summary>
    public int HeaderLimit { get; set; } = 64;

    /// <summary>The first line of a request: method and path. Default: 8 KiB: the longest filter fits.</summary>
    public int RequestLineLimitBytes { get; set; } = 8 << 10;

    /// <summary>Time for all headers of a request to come. Default: 15 s, so that slow senders do not pile up.</summary>
    public TimeSpan HeadersTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long an idle connection is kept. Default: 2 min.</summary>
    public TimeSpan KeepAliveTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>Slowest sender of a body, in bytes a second. Default: 240: slower than any modem.</summary>
    public int BodyRateBytes { get; set; } = 240;

    /// <summary>Time before the slowest rate counts. Default: 5 s.</summary>
    public TimeSpan BodyRateGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Open connections; more are closed at once. Default: 12,000: each costs a file descriptor and some kilobytes.</summary>
    public int Connections { get; set; } = 12_000;

    /// <summary>Requests carried out at once, event streams apart; more are answered 503. Default: 512.</summary>
    public int ConcurrentRequests { get; set; } = 512;

    /// <summary>Requests that change something, carried out at once, pieces of uploads apart; more are answered 429. Default: 128: a quarter of what may be carried out at once, so that a
    /// storm of them keeps nobody from reading.</summary>
    public int ConcurrentChanges { get; set; } = 128;

    /// <summary>Requests that change something, carried out at once with one token; more are answered 429. Default: 64: half of all, so that one program's storm keeps no other from its
    /// work.</summary>
    public int ConcurrentChangesPerToken { get; set; } = 64;

    /// <summary>Operations that may be unfinished in the whole service, the cluster's silos together; a request that would begin one more is answered 429. Default: 10,000: every one is
    /// looked at when a silo starts or is lost, which takes seconds then and would take minutes with many more.</summary>
    public int UnfinishedOperations { get; set; } = 10_000;

    /// <summary>Event streams open at once; more are answered 503. Default: 1,000.</summary>
    public int EventStreams { get; set; } = 1_000;

    /// <summary>Event streams open at once with one token; more are answered 429. Default: 200, so that one program cannot take them all.</summary>
    public int EventStreamsPerToken { get; set; } = 200;

    /// <summary>Requests a second from one address, before anybody looks at its token; more are answered 429. Default: 2,000.</summary>
    public int RequestsPerSecondPerAddress { get; set; } = 2_000;

    /// <summary>Requests a second with one token; more are answered 429. Default: 1,000.</summary>
    public int RequestsPerSecondPerToken { get; set; } = 1_000;

    /// <summary>How many seconds' worth of requests may come at once. Default: 5.</summary>
    public int BurstSeconds { get; set; } = 5;

    /// <summary>How old a process's knowledge of the tokens may be: a token that another silo revoked works here no longer than this. One that this process
    /// revoked is refused by the next request. Default: 5 s.</summary>
    public TimeSpan TokenRefresh { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a browser stays signed in. Default: 8 h: a working day.</summary>
    public TimeSpan SessionLifetime { get; set; } = TimeSpan.FromHours(8);

    /// <summary>How often an event stream says that it is alive when nothing happens. Default: 15 s.</summary>
    public TimeSpan EventHeartbeat { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Uploads that may be open at once on one pod. Default: 16: each reserves its room.</summary>
    public int UploadsPerPod { get; set; } = 16;

    /// <summary>How long an open upload waits for its next bytes before it is thrown away. Default: 24 h: a link may be down for a night.</summary>
    public TimeSpan UploadIdle { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        if (ListenAddress.Parse(this, out var sentence) is null)
        {
            faults.Add(sentence);
        }

        Within(faults, nameof(BodyLimitBytes), BodyLimitBytes, 1 << 10, 1 << 30);
        Within(faults, nameof(HeadersLimitBytes), HeadersLimitBytes, 1 << 10, 1 << 20);
        Within(faults, nameof(HeaderLimit), HeaderLimit, 16, 1_000);
        Within(faults, nameof(RequestLineLimitBytes), RequestLineLimitBytes, 1 << 10, 1 << 16);
        Within(faults, nameof(HeadersTimeout), HeadersTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        Within(faults, nameof(KeepAliveTimeout), KeepAliveTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        Within(faults, nameof(BodyRateBytes), BodyRateBytes, 1, 1 << 20);
        Within(faults, nameof(BodyRateGrace), BodyRateGrace, TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(5));
        Within(faults, nameof(Connections), Connections, 16, 1_000_000);
        Within(faults, nameof(ConcurrentRequests), ConcurrentRequests, 1, 100_000);
        Within(faults, nameof(ConcurrentChanges), ConcurrentChanges, 1, 100_000);
        Within(faults, nameof(ConcurrentChangesPerToken), ConcurrentChangesPerToken, 1, 100_000);
        Within(faults, nameof(UnfinishedOperations), UnfinishedOperations, 1, 1_000_000);
        Within(faults, nameof(EventStreams), EventStreams, 1, 100_000);
        Within(faults, nameof(EventStreamsPerToken), EventStreamsPerToken, 1, 100_000);
        Within(faults, nameof(RequestsPerSecondPerAddress), RequestsPerSecondPerAddress, 1, 1_000_000);
        Within(faults, nameof(RequestsPerSecondPerToken), RequestsPerSecondPerToken, 1, 1_000_000);
        Within(faults, nameof(BurstSeconds), BurstSeconds, 1, 60);
        Within(faults, nameof(TokenRefresh), TokenRefresh, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1));
        Within(faults, nameof(SessionLifetime), SessionLifetime, TimeSpan.FromMinutes(1), TimeSpan.FromDays(30));
        Within(faults, nameof(EventHeartbeat), EventHeartbeat, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(30)); // a client waits 60 s for a sign of life
        Within(faults, nameof(UploadsPerPod), UploadsPerPod, 1, 1_000);
        Within(faults, nameof(UploadIdle), UploadIdle, TimeSpan.FromSeconds(1), TimeSpan.FromDays(30));
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

/// <summary>Where the server listens, checked.</summary>
/// <param name="Address">Null: <c>localhost</c>, both loopback addresses.</param>
/// <param name="Port">0: any free one.</param>
/// <param name="IsSecure">Whether TLS is spoken.</param>
internal sealed record ListenAddress(IPAddress? Address, int Port, bool IsSecure)
{
    /// <summary>Reads <see cref="HttpOptions.Listen"/>; on null <paramref name="fault"/> says what is wrong.</summary>
    public static ListenAddress? Parse(HttpOptions http, out string fault)
    {
        fault = "";
        if (!Uri.TryCreate(http.Listen, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")
            || uri.PathAndQuery != "/" || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
        {
            fault = $"Listen is '{http.Listen}'; an address such as http://127.0.0.1:7480 is expected.";
            return null;
        }

        var isSecure = uri.Scheme == "https";
        var isLocalhost = uri.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase);
        if (!IPAddress.TryParse(uri.DnsSafeHost, out var address) && !isLocalhost)
        {
            fault = $"Listen names the host '{uri.Host}'; give an IP address of this machine, or 0.0.0.0 for all of them.";
            return null;
        }

        if (isLocalhost && uri.Port == 0)
        {
            address = IPAddress.Loopback; // any free port is one port: two addresses may not have the same one free
        }

        fault = (isSecure, http.CertificateFile) switch
        {
            (true, null or "") => $"Listen is '{http.Listen}' and there is no certificate: set Http:CertificateFile, or listen on http://127.0.0.1.",
            (false, { Length: > 0 }) => $"Listen is '{http.Listen}' although there is a certificate: write https:// to use it.",
            (false, _) when address is not null && !IPAddress.IsLoopback(address) && !http.AllowPlainHttpOnNetwork =>
                $"Listen is '{http.Listen}', which others on the network can reach, and without TLS they could read the tokens: set Http:CertificateFile and https://, or Http:AllowPlainHttpOnNetwork=true if you accept that.",
            _ => "",
        };
        return fault.Length > 0 ? null : new ListenAddress(address, uri.Port, isSecure);
    }
}
