namespace Orleans.ImageMgmt.Host;

/// <summary>How HTTP is served (section <c>Http</c>).</summary>
internal sealed class HttpOptions
{
    /// <summary>Address and port, such as <c>http://127.0.0.1:7480</c>; port 0 takes any free one. Default: <c>http://127.0.0.1:7480</c>.</summary>
    public string Listen { get; set; } = "http://127.0.0.1:7480";

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults() => Uri.TryCreate(Listen, UriKind.Absolute, out var address) && (address.Scheme is "http" or "https")
        ? []
        : [$"{nameof(Listen)} is '{Listen}'; an address such as http://127.0.0.1:7480 is expected."];
}
