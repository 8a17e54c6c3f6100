using System.Diagnostics.CodeAnalysis;
using System.Text;
using Orleans.ImageMgmt.Client;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Host;

/// <summary>A caller of the gateway: who its certificate names, and from where it calls.</summary>
internal sealed record GatewayCaller(CertificateName Name, string Origin)
{
    /// <summary>A front end of the cluster: it holds a silo's certificate and the database's password.</summary>
    public bool IsTrusted => Name.Kind == CertificateKind.Silo;
}

/// <summary>Which client of Orleans is which caller of this silo, for as long as it is connected.</summary>
/// <remarks>Orleans lets a client choose its own id. So an id belongs to the certificate that came with it first, and nobody else may have it meanwhile.</remarks>
internal sealed class GatewayCallers
{
    private const string ClientType = "sys.client";
    private const string OwnClients = "hosted-"; // the client inside a silo's own process

    private readonly Lock gate = new();
    private readonly Dictionary<string, (GatewayCaller Caller, int Connections)> known = new(StringComparer.Ordinal);

    /// <summary>Whether a call came in from outside the silos.</summary>
    public static bool IsOutside(GrainId source) =>
        source.Type.ToString() == ClientType && !Encoding.UTF8.GetString(source.Key.AsSpan()).StartsWith(OwnClients, StringComparison.Ordinal);

    /// <summary>An id that a client may choose: what Orleans' own client does, a GUID without dashes.</summary>
    public static bool TryGetKey(GrainId client, [NotNullWhen(true)] out string? key)
    {
        key = Encoding.UTF8.GetString(client.Key.AsSpan());
        return client.Type.ToString() == ClientType && Guid.TryParseExact(key, "N", out _);
    }

    public GatewayCaller? Find(string key)
    {
        lock (gate)
        {
            return known.TryGetValue(key, out var found) ? found.Caller : null;
        }
    }

    /// <summary>False when the id is somebody else's.</summary>
    public bool TryBind(string key, GatewayCaller caller)
    {
        lock (gate)
        {
            if (known.TryGetValue(key, out var found) && found.Caller.Name != caller.Name)
            {
                return false;
            }

            known[key] = (caller, found.Connections + 1);
            return true;
        }
    }

    public void Release(string key)
    {
        lock (gate)
        {
            var (caller, connections) = known[key];
            if (connections == 1)
            {
                known.Remove(key);
            }
            else
            {
                known[key] = (caller, connections - 1);
            }
        }
    }
}
