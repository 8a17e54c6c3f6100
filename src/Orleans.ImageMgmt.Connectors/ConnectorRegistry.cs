using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Which families there are, and the one door through which connectors are made. The settings <see cref="FaultPlanKey"/>,
/// <see cref="FaultSeedKey"/> and <see cref="BlocksUrlKey"/> work for every family, <see cref="SiteUrlKey"/> for those that can be worked on at a site.</summary>
public sealed class ConnectorRegistry
{
    /// <summary>A script of faults to play in front of the pod's connector.</summary>
    public const string FaultPlanKey = "fault-plan";

    /// <summary>Seed of the plan's draws. Default: taken from the pod's name, so that a run repeats.</summary>
    public const string FaultSeedKey = "fault-seed";

    /// <summary>Address of the block server that reads the pod's copies where they lie: the pod is on another machine.</summary>
    public const string BlocksUrlKey = "blocks-url";

    /// <summary>Address of the program at the pod's site that does all that concerns the pod (<c>imgmt blocks --receive</c>). The family's settings stand there, not here.</summary>
    public const string SiteUrlKey = "site-url";

    /// <summary>Name in the certificate of that site. Default: the pod's name.</summary>
    public const string SiteNameKey = "site-name";

    /// <summary>Settings that are not a family's own.</summary>
    public static IReadOnlySet<string> CommonKeys { get; } =
        new HashSet<string>(StringComparer.Ordinal) { FaultPlanKey, FaultSeedKey, BlocksUrlKey, SiteUrlKey, SiteNameKey };

    private readonly SortedDictionary<string, IConnectorFactory> factories = new(StringComparer.Ordinal);
    private readonly TimeProvider time;
    private readonly IFaultLog log;
    private readonly IBlockLink? blocks;
    private readonly ISiteLink? sites;

    /// <param name="factories">One for each family.</param>
    /// <param name="time">Clock of the fault plans.</param>
    /// <param name="log">Hears of faults that were played.</param>
    /// <param name="blocks">Reads copies of pods on other machines; null where this process cannot.</param>
    /// <param name="sites">Calls the programs at sites; null where this process cannot.</param>
    /// <exception cref="ArgumentException">Two factories serve one family.</exception>
    public ConnectorRegistry(IEnumerable<IConnectorFactory> factories, TimeProvider time, IFaultLog log, IBlockLink? blocks = null, ISiteLink? sites = null)
    {
        this.sites = sites;
        this.time = time;
        this.log = log;
        this.blocks = blocks;
        foreach (var factory in factories)
        {
            this.factories.Add(factory.Family, factory);
        }
    }

    public IReadOnlyCollection<string> Families => factories.Keys;

    public ConnectorResult<IPodConnector> Create(PodSpec spec)
    {
        if (!factories.TryGetValue(spec.Family, out var factory))
        {
            return Misconfigured(spec, $"the family is unknown; known are {string.Join(", ", factories.Keys)}");
        }

        if (spec.Settings.ContainsKey(SiteUrlKey) || spec.Settings.ContainsKey(SiteNameKey))
        {
            return CreateAtSite(spec, factory);
        }

        if (!TryReadPlan(spec, out var plan, out var error))
        {
            return Misconfigured(spec, error);
        }

        if (!TryReadServer(spec, BlocksUrlKey, out var server, out error))
        {
            return Misconfigured(spec, error);
        }

        var own = spec.Settings.Where(pair => !CommonKeys.Contains(pair.Key)).ToDictionary(StringComparer.Ordinal);
        var made = factory.Create(spec with { Settings = own });
        if (made is not ConnectorResult<IPodConnector>.Done { Value: var connector })
        {
            return made;
        }

        connector = server is null ? connector : new DistantConnector(connector, server, blocks!);
        return new ConnectorResult<IPodConnector>.Done(plan is null ? connector : new FaultyConnector(connector, plan, time, log));
    }

    /// <summary>The block server that reads the pod's copies; null where they lie in reach of this process.</summary>
    public static Uri? BlockServerOf(PodSpec spec) =>
        (spec.Settings.TryGetValue(SiteUrlKey, out var written) || spec.Settings.TryGetValue(BlocksUrlKey, out written)) && Uri.TryCreate(written, UriKind.Absolute, out var server) ? server : null;

    /// <summary>A pod whose files no process of the service reaches: its settings are given to the program at its site.</summary>
    private ConnectorResult<IPodConnector> CreateAtSite(PodSpec spec, IConnectorFactory factory)
    {
        if (!TryReadServer(spec, SiteUrlKey, out var server, out var error) || server is null)
        {
            return Misconfigured(spec, error.Length > 0 ? error : $"'{SiteNameKey}' is given without '{SiteUrlKey}'");
        }

        if (spec.Settings.Keys.Where(key => key is not SiteUrlKey and not SiteNameKey).Order(StringComparer.Ordinal).ToList() is { Count: > 0 } others)
        {
            return Misconfigured(spec, $"with '{SiteUrlKey}' the settings {string.Join(", ", others.Select(key => $"'{key}'"))} stand in the file of the site (--pods), not here");
        }

        return (factory.AtSite, spec.Settings.GetValueOrDefault(SiteNameKey, spec.Name.Value)) switch
        {
            (null, _) => Misconfigured(spec, $"'{SiteUrlKey}' is given, and pods of this family are not worked on at a site"),
            (_, { Length: 0 or > 64 }) => Misconfigured(spec, $"'{SiteNameKey}' has 1 to 64 characters, as in the certificate of the site"),
            ({ } able, var name) => new ConnectorResult<IPodConnector>.Done(new SiteConnector(spec.Name, new SitePlace(server, name), able, blocks!, sites!, time)),
        };
    }

    private bool TryReadServer(PodSpec spec, string key, out Uri? server, out string error)
    {
        server = null;
        error = "";
        if (!spec.Settings.TryGetValue(key, out var written))
        {
            return true;
        }

        if (!Uri.TryCreate(written, UriKind.Absolute, out server) || server.Scheme != Uri.UriSchemeHttps || server.PathAndQuery != "/" || server.UserInfo.Length > 0 || server.Fragment.Length > 0)
        {
            error = $"'{key}' is '{written}'; an address such as https://site-1.example:7482 is expected";
        }
        else if (blocks is null || (key == SiteUrlKey && sites is null))
        {
            error = $"'{key}' is given, and this process has no certificate to call a block server with";
        }

        return error.Length == 0;
    }

    private static bool TryReadPlan(PodSpec spec, out FaultPlan? plan, out string error)
    {
        plan = null;
        error = "";
        var seed = SeedOf(spec.Name);
        if (spec.Settings.TryGetValue(FaultSeedKey, out var written) && !Quantity.TryCount(written, out seed))
        {
            error = $"'{FaultSeedKey}' is '{written}'; a whole number is expected";
            return false;
        }

        if (!spec.Settings.TryGetValue(FaultPlanKey, out var text))
        {
            return true;
        }

        var read = FaultPlan.TryParse(text, seed, out var parsed, out error);
        error = read ? "" : $"'{FaultPlanKey}' cannot be read: {error}";
        plan = parsed;
        return read;
    }

    private static int SeedOf(PodName pod) => BinaryPrimitives.ReadInt32LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(pod.Value))) & int.MaxValue;

    private static ConnectorFault Misconfigured(PodSpec spec, string why) => new(
        FaultStage.Probe,
        FaultCause.Misconfigured,
        $"Pod {spec.Name} of family '{spec.Family}' cannot be connected: {why}.",
        "Correct the pod's settings and connect it again.");
}
