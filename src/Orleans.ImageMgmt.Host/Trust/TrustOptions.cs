namespace Orleans.ImageMgmt.Host;

/// <summary>Certificates that silos show each other and their callers (section <c>Trust</c>). All empty: made at the first start, in the folder
/// <c>trust</c> of the data directory, for this machine alone. A cluster gives all three files, the same authority to every silo.</summary>
internal sealed class TrustOptions
{
    /// <summary>PEM file with the certificate of the cluster's own authority. Default: empty.</summary>
    public string Authority { get; set; } = "";

    /// <summary>PEM file with this silo's certificate: subject <c>O=imgmt silo, CN=NAME</c>, for TLS servers and clients. Default: empty.</summary>
    public string Certificate { get; set; } = "";

    /// <summary>PEM file with the key of that certificate, readable by its user alone. Default: empty.</summary>
    public string Key { get; set; } = "";

    /// <summary>Lets the group read this key, and the files of secrets in section Cluster: container platforms mount secrets for a group. Default: false: their user alone.</summary>
    public bool AllowGroupRead { get; set; }

    public bool AreFilesGiven => Authority.Length + Certificate.Length + Key.Length > 0;

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults() => AreFilesGiven && (Authority.Length == 0 || Certificate.Length == 0 || Key.Length == 0)
        ? [$"{nameof(Authority)}, {nameof(Certificate)} and {nameof(Key)} belong together: give all three files or none."]
        : [];
}
