using System.Net;
using Npgsql;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>Joins a silo to the others.</summary>
internal static class ClusterConnection
{
    /// <summary>The longest that a connection file may be, in bytes.</summary>
    private const int FileLimit = 16 << 10;

    public static bool IsValid(string connectionString)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(connectionString) is { Host.Length: > 0, Database.Length: > 0, Username.Length: > 0 };
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <exception cref="SettingsException">Settings that are good alone do not go together.</exception>
    public static void Check(this ClusterModeOptions options, HostSettings settings)
    {
        if (!settings.Trust.AreFilesGiven)
        {
            throw new SettingsException(
                "A cluster needs Trust:Authority, Trust:Certificate and Trust:Key: silos let in only silos of the same authority. Make them with 'imgmt trust issue-silo'.");
        }

        if (settings.Gateway.IsOn && !options.HasSilo)
        {
            throw new SettingsException("Gateway:Listen is given, and this process has no silo (Cluster:Role is Web): a gateway is a silo's. Leave it out here.");
        }

        if (settings.Gateway.IsOn && !GatewayFits(options, IPEndPoint.Parse(settings.Gateway.Listen)))
        {
            throw new SettingsException(
                $"Gateway:Listen is {settings.Gateway.Listen}. In a cluster it is the port that front ends use too: its address has to be that of Cluster:Listen ({options.Listen}), and Cluster:FrontEndPort is left out or the same port.");
        }

        if (settings.Http is null)
        {
            throw new SettingsException("A silo of a cluster is run with 'imgmt serve'; leave Cluster:ConnectionString out here.");
        }
    }

    /// <summary>The membership table has one address and one port of a silo for all who come from outside.</summary>
    private static bool GatewayFits(ClusterModeOptions options, IPEndPoint gateway) =>
        (IPEndPoint.Parse(options.Listen).Address is var address && (address.Equals(gateway.Address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)))
        && (options.FrontEndPort == 0 || options.FrontEndPort == gateway.Port);

    /// <exception cref="SettingsException">The file cannot be used.</exception>
    public static string ReadConnectionString(this ClusterModeOptions options, bool allowGroupRead)
    {
        if (options.ConnectionFile.Length == 0)
        {
            return options.ConnectionString;
        }

        try
        {
            PrivateFiles.RequirePrivate(options.ConnectionFile, allowGroupRead);
            var text = new FileInfo(options.ConnectionFile).Length <= FileLimit ? File.ReadAllText(options.ConnectionFile).Trim() : "";
            return IsValid(text) ? text : throw new SettingsException($"Cluster:ConnectionFile {options.ConnectionFile} holds no connection string: Host, Database and Username are needed.");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or TrustException)
        {
            throw new SettingsException($"Cluster:ConnectionFile cannot be read: {problem.Message}");
        }
    }

    public static ISiloBuilder AddCluster(this ISiloBuilder silo, ClusterModeOptions options, PostgresStore store, RestoreRecord? restored)
    {
        var listen = IPEndPoint.Parse(options.Listen);
        listen.Port = listen.Port == 0 ? SiloLocks.FreePort(listen.Address) : listen.Port;
        return (options.Kubernetes ? silo.UseKubernetesHosting() : silo)
            .Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.Name, options.Name))
            .Configure<EndpointOptions>(endpoints =>
            {
                endpoints.AdvertisedIPAddress = options.Advertise.Length > 0 ? IPAddress.Parse(options.Advertise) : listen.Address;
                endpoints.SiloPort = listen.Port;
                endpoints.SiloListeningEndpoint = listen;
                endpoints.GatewayPort = options.FrontEndPort == 0 ? SiloLocks.FreePort(listen.Address) : options.FrontEndPort;
                endpoints.GatewayListeningEndpoint = new IPEndPoint(listen.Address, endpoints.GatewayPort);
            })
            .Configure<ClusterMembershipOptions>(membership =>
            {
                membership.ProbeTimeout = options.ProbeTimeout;
                membership.MinProbeTimeout = options.ProbeTimeout / 2;
                membership.MaxProbeTimeout = options.ProbeTimeout * 2.5;
                membership.NumMissedProbesLimit = options.MissedProbes;
                membership.IAmAliveTablePublishTimeout = options.AliveInterval;
                membership.TableRefreshTimeout = TimeSpan.FromSeconds(15);
            })
            .AddClustered(store, restored);
    }
}
