using System.Net;

namespace Orleans.ImageMgmt.Host;

/// <summary>A silo among others, on a PostgreSQL database that they share (section <c>Cluster</c>). Off while no connection string is given: then this
/// process is alone, with a database of its own in the data folder.</summary>
internal sealed class ClusterModeOptions
{
    /// <summary>Server, database and user, such as <c>Host=db1;Database=imgmt;Username=imgmt;Password=…</c>; also from the environment as
    /// IMGMT__CLUSTER__CONNECTIONSTRING. Default: empty: no cluster.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>File that holds the connection string, readable by its user alone; instead of <see cref="ConnectionString"/>. Default: empty.</summary>
    public string ConnectionFile { get; set; } = "";

    /// <summary>What this process is in the cluster: Silo, Web (HTTP for people and programs, without a silo) or Both. Default: Both.</summary>
    public ClusterRole Role { get; set; } = ClusterRole.Both;

    /// <summary>File of 32 bytes or more, the same in all processes of the cluster and for their user alone: encrypts the keys of browser sessions in the database.
    /// Default: empty: who can read the database can read them.</summary>
    public string SecretFile { get; set; } = "";

    /// <summary>Connections of this silo at most. Silos times connections must stay below the server's max_connections. Default: 20.</summary>
    public int Connections { get; set; } = 20;

    /// <summary>Address and port on which this silo listens for the others; an address of this machine, port 0 takes any free one. Default: 127.0.0.1:0: all silos are on this machine.</summary>
    public string Listen { get; set; } = "127.0.0.1:0";

    /// <summary>Address under which the others reach it, where that is not the one it listens on (containers). Default: empty: the same.</summary>
    public string Advertise { get; set; } = "";

    /// <summary>Port on the same address on which this silo answers processes of role Web; they show a silo's certificate too. 0 takes any free one. Default: 0.</summary>
    public int FrontEndPort { get; set; }

    /// <summary>How long a process that was asked to end says that it is not ready and answers on, before it hands over and leaves: as long as a balancer
    /// takes to notice. Default: 5 s.</summary>
    public TimeSpan DrainTime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Silos with the same name, on the same database, are one cluster. Default: imgmt.</summary>
    public string Name { get; set; } = "imgmt";

    /// <summary>How long a silo may be silent before a probe of it counts as missed. Default: 2 s; 1 s where silos have processors of their own.</summary>
    public TimeSpan ProbeTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Missed probes in a row after which a silo is voted dead. Default: 3.</summary>
    public int MissedProbes { get; set; } = 3;

    /// <summary>How often a silo writes down that it lives. After the loss of all silos, new ones wait three times as long for the old. Default: 10 s.</summary>
    public TimeSpan AliveInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest that <see cref="DrainTime"/> may be.</summary>
    internal static readonly TimeSpan DrainLimit = TimeSpan.FromMinutes(2);

    /// <summary>This process has a silo.</summary>
    public bool HasSilo => Role != ClusterRole.Web;

    public bool IsOn => ConnectionString.Length + ConnectionFile.Length > 0;

    /// <summary>Every fault of these settings, in one sentence each, beginning with the name of the option; empty when they are good.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        if (ConnectionString.Length > 0 && ConnectionFile.Length > 0)
        {
            faults.Add($"{nameof(ConnectionFile)} is given besides {nameof(ConnectionString)}; one of the two is enough.");
        }

        if (ConnectionString.Length > 0 && !ClusterConnection.IsValid(ConnectionString))
        {
            faults.Add($"{nameof(ConnectionString)} is no connection string: Host, Database and Username are needed, such as Host=db1;Database=imgmt;Username=imgmt.");
        }

        if (!IPEndPoint.TryParse(Listen, out var listen) || !Listen.Contains(':', StringComparison.Ordinal) || (IsAny(listen.Address) && Advertise.Length == 0))
        {
            faults.Add($"{nameof(Listen)} is '{Listen}'; an address of this machine and a port are expected, such as 10.0.0.5:7482. 0.0.0.0 needs Cluster:Advertise.");
        }

        if (Advertise.Length > 0 && (!IPAddress.TryParse(Advertise, out var advertised) || IsAny(advertised)))
        {
            faults.Add($"{nameof(Advertise)} is '{Advertise}'; one IP address is expected, such as 10.0.0.5.");
        }

        if (!Domain.PodName.TryCreate(Name, out _))
        {
            faults.Add($"{nameof(Name)} is '{Name}'; {Domain.PodName.Rule}.");
        }

        if (Role != ClusterRole.Both && !IsOn)
        {
            faults.Add($"{nameof(Role)} is {Role}, and there is no cluster; give {nameof(ConnectionString)} or {nameof(ConnectionFile)}, or leave it out.");
        }

        Within(faults, nameof(Connections), Connections, 4, 1_000);
        Within(faults, nameof(FrontEndPort), FrontEndPort, 0, IPEndPoint.MaxPort);
        Within(faults, nameof(DrainTime), DrainTime, TimeSpan.Zero, DrainLimit);
        Within(faults, nameof(MissedProbes), MissedProbes, 1, 100);
        Within(faults, nameof(ProbeTimeout), ProbeTimeout, TimeSpan.FromMilliseconds(200), TimeSpan.FromMinutes(1));
        Within(faults, nameof(AliveInterval), AliveInterval, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        return faults;
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static void Within<T>(List<string> faults, string name, T value, T least, T most) where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
        {
            faults.Add($"{name} is {value}; it must be from {least} to {most}.");
        }
    }
}

/// <summary>What a process is in a cluster.</summary>
internal enum ClusterRole
{
    /// <summary>A silo that serves HTTP.</summary>
    Both,

    /// <summary>A silo whose HTTP tells how it is, and nothing else.</summary>
    Silo,

    /// <summary>HTTP without a silo: it calls the silos of the cluster.</summary>
    Web,
}
