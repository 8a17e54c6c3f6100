namespace Orleans.ImageMgmt.Host;

/// <summary>How HTTP is served (section <c>Http</c>).</summary>
internal sealed class HttpOptions
{
    /// <summary>Address and port, such as <c>http://127.0.0.1:7480</c>; port 0 takes any free one. Default: <c>http://127.0.0.1:7480</c>.</summary>
    public string Listen { get; set; } = "http://127.0.0.1:7480";

    /// <summary>Event streams (server-sent events) that may be open at once. Default: 256.</summary>
    public int EventStreams { get; set; } = 256;

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
        if (!Uri.TryCreate(Listen, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            faults.Add($"{nameof(Listen)} is '{Listen}'; an address such as http://127.0.0.1:7480 is expected.");
        }

        if (EventStreams is < 1 or > 100_000)
        {
            faults.Add($"{nameof(EventStreams)} is {EventStreams}; 1 to 100000 is expected.");
        }

        if (EventHeartbeat < TimeSpan.FromMilliseconds(100) || EventHeartbeat > TimeSpan.FromSeconds(30))
        {
            faults.Add($"{nameof(EventHeartbeat)} is {EventHeartbeat}; 100 ms to 30 s is expected, for a client waits 60 s for a sign of life.");
        }

        if (UploadsPerPod is < 0 or > 1_000)
        {
            faults.Add($"{nameof(UploadsPerPod)} is {UploadsPerPod}; 0 to 1000 is expected.");
        }

        if (UploadIdle < TimeSpan.FromSeconds(1))
        {
            faults.Add($"{nameof(UploadIdle)} is {UploadIdle}; at least 1 s is expected.");
        }

        return faults;
    }
}
