using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Which families there are, and the one door through which connectors are made. The settings <see cref="FaultPlanKey"/> and
/// <see cref="FaultSeedKey"/> work for every family.</summary>
public sealed class ConnectorRegistry
{
    /// <summary>A script of faults to play in front of the pod's connector.</summary>
    public const string FaultPlanKey = "fault-plan";

    /// <summary>Seed of the plan's draws. Default: taken from the pod's name, so that a run repeats.</summary>
    public const string FaultSeedKey = "fault-seed";

    private readonly SortedDictionary<string, IConnectorFactory> factories = new(StringComparer.Ordinal);
    private readonly TimeProvider time;
    private readonly IFaultLog log;

    /// <exception cref="ArgumentException">Two factories serve one family.</exception>
    public ConnectorRegistry(IEnumerable<IConnectorFactory> factories, TimeProvider time, IFaultLog log)
    {
        this.time = time;
        this.log = log;
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

        var own = spec.Settings.Where(pair => pair.Key is not (FaultPlanKey or FaultSeedKey)).ToDictionary(StringComparer.Ordinal);
        var made = factory.Create(spec with { Settings = own });
        return plan is not null && made is ConnectorResult<IPodConnector>.Done done
            ? new ConnectorResult<IPodConnector>.Done(new FaultyConnector(done.Value, plan, time, log))
            : made;
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
