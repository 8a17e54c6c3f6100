using System.Collections.Concurrent;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// The family <c>simulated</c>: pods in memory that behave as the contract says, for tests, for runs with thousands of pods, and for trying
/// the service without any storage. What a pod holds lives as long as this object, not as long as one connector.
/// </summary>
/// <param name="time">Stamps receipts.</param>
/// <param name="web">How a pod with <c>transfer=pull</c> fetches an address. Default: the network.</param>
public sealed class SimulatedPods(TimeProvider time, HttpMessageHandler? web = null) : IConnectorFactory, IDisposable
{
    private readonly ConcurrentDictionary<PodName, SimulatedStore> stores = new();
    private readonly HttpClient client = new(web ?? new SocketsHttpHandler(), disposeHandler: web is null);

    public string Family => "simulated";

    public ConnectorResult<IPodConnector> Create(PodSpec spec)
    {
        var read = SimulatedSettings.Read(spec);
        if (read is not ConnectorResult<SimulatedSettings>.Done { Value: var settings })
        {
            return read.As<IPodConnector>();
        }

        var store = StoreOf(spec.Name);
        lock (store.Gate)
        {
            foreach (var (name, source) in settings.Sources)
            {
                store.Sources[name] = source;
            }
        }

        return new ConnectorResult<IPodConnector>.Done(new SimulatedConnector(spec.Name, settings, store, time, client));
    }

    /// <summary>Puts a raw disk among the sources of a pod.</summary>
    public void AddSource(PodName pod, string name, ReadOnlyMemory<byte> bytes)
    {
        var store = StoreOf(pod);
        lock (store.Gate)
        {
            store.Sources[name] = SimulatedSource.Of(bytes.Span);
        }
    }

    /// <summary>Changes a byte of a final copy, as a bad disk would.</summary>
    /// <returns>False when there is no such copy.</returns>
    public bool Damage(PodName pod, VersionId version, int chunk) => DamageIn(StoreOf(pod).Final, pod, version, chunk);

    /// <summary>Changes a byte of what is staged.</summary>
    /// <returns>False when nothing is staged.</returns>
    public bool DamageStaged(PodName pod, VersionId version, int chunk) => DamageIn(StoreOf(pod).Staged, pod, version, chunk);

    public void Dispose() => client.Dispose();

    private bool DamageIn(Dictionary<VersionId, SimulatedCopy> copies, PodName pod, VersionId version, int chunk)
    {
        lock (StoreOf(pod).Gate)
        {
            if (!copies.TryGetValue(version, out var copy))
            {
                return false;
            }

            copy.Damage(chunk);
            return true;
        }
    }

    private SimulatedStore StoreOf(PodName pod) => stores.GetOrAdd(pod, static _ => new SimulatedStore());
}
