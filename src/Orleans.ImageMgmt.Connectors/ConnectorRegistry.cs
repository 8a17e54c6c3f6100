using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Which families there are, and the one door through which connectors are made. The settings <see cref="FaultPlanKey"/>,
/// <see cref="FaultSeedKey"/> and <see cref="BlocksUrlKey"/> work for every family.</summary>
public sealed class ConnectorRegistry
{
    /// <summary>A script of faults to play in front of the pod's connector.</summary>
    public const string FaultPlanKey = "fault-plan";

    /// <summary>Seed of the plan's draws. Default: taken from the pod's name, so that a run repeats.</summary>
    public const string FaultSeedKey = "fault-seed";

    /// <summary>Address of the block server that reads the pod's copies where they lie: the pod is on another machine.</summary>
    public const string BlocksUrlKey = "blocks-url";

    /// <summary>Settings that are not a family's own.</summary>
    public static IReadOnlySet<string> CommonKeys { get; } = new HashSet<string>(StringComparer.Ordinal) { FaultPlanKey, FaultSeedKey, BlocksUrlKey };

    private readonly SortedDictionary<string, IConnectorFactory> factories = new(StringComparer.Ordinal);
    private readonly TimeProvider time;
    private readonly IFaultLog log;
    private readonly IBlockLink? blocks;

    /// <param name="factories">One for each family.</param>
    /// <param name="time">Clock of the fault plans.</param>
    /// <param name="log">Hears of faults that were played.</param>
    /// <param name="blocks">Reads copies of pods on other machines; null where this process cannot.</param>
    /// <exception cref="ArgumentException">Two factories serve one family.</exception>
    public ConnectorRegistry(IEnumerable<IConnectorFactory> factories, TimeProvider time, IFaultLog log, IBlockLink? blocks = null)
    {
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

        if (!TryReadPlan(spec, out var plan, out var error))
        {
            return Misconfigured(spec, error);
        }

        if (!TryReadServer(spec, out var server, out error))
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
        spec.Settings.TryGetValue(BlocksUrlKey, out var written) && Uri.TryCreate(written, UriKind.Absolute, out var server) ? server : null;

    private bool TryReadServer(PodSpec spec, out Uri? server, out string error)
    {
        server = null;
        error = "";
        if (!spec.Settings.TryGetValue(BlocksUrlKey, out var written))
        {
            return true;
        }

        if (!Uri.TryCreate(written, UriKind.Absolute, out server) || server.Scheme != Uri.UriSchemeHttps || server.PathAndQuery != "/" || server.UserInfo.Length > 0 || server.Fragment.Length > 0)
        {
            error = $"'{BlocksUrlKey}' is '{written}'; an address such as https://site-1.example:7482 is expected";
        }
        else if (blocks is null)
        {
            error = $"'{BlocksUrlKey}' is given, and this process has no certificate to call a block server with";
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
