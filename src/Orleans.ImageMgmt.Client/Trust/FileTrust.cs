namespace Orleans.ImageMgmt.Client;

/// <summary>A certificate, its key and its authority in files, read again when the certificate's file has changed.</summary>
internal sealed class FileTrust
{
    private readonly Lock gate = new();
    private readonly string authority;
    private readonly string certificate;
    private readonly string key;
    private readonly TimeProvider time;
    private DateTime readAt;
    private PrivateTrust current;

    /// <exception cref="TrustException">The files cannot be used.</exception>
    public FileTrust(string authority, string certificate, string key, TimeProvider time)
    {
        (this.authority, this.certificate, this.key, this.time) = (authority, certificate, key, time);
        readAt = File.GetLastWriteTimeUtc(certificate);
        current = PrivateTrust.Read(authority, certificate, key, time);
    }

    /// <summary>Asked at every handshake, so that a new certificate needs no restart.</summary>
    public PrivateTrust Current()
    {
        lock (gate)
        {
            var changedAt = File.GetLastWriteTimeUtc(certificate);
            if (changedAt != readAt)
            {
                try
                {
                    current = PrivateTrust.Read(authority, certificate, key, time);
                    readAt = changedAt;
                }
                catch (TrustException)
                {
                    // Being replaced right now, or broken: what is here is used as long as the other side takes it.
                }
            }

            return current;
        }
    }
}
