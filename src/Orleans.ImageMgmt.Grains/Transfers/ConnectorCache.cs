using System.Collections.Concurrent;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>One connector per pod and specification in this silo. A changed specification makes a new one; the old one lives on for the calls that hold it.</summary>
internal sealed class ConnectorCache(ConnectorRegistry registry)
{
    private readonly ConcurrentDictionary<PodName, (string Key, IPodConnector Connector)> connectors = new();

    public ConnectorResult<IPodConnector> Get(PodSpec spec)
    {
        var key = KeyOf(spec);
        if (connectors.TryGetValue(spec.Name, out var known) && known.Key == key)
        {
            return new ConnectorResult<IPodConnector>.Done(known.Connector);
        }

        var made = registry.Create(spec);
        if (made is ConnectorResult<IPodConnector>.Done(var connector))
        {
            connectors[spec.Name] = (key, connector);
        }

        return made;
    }

    private static string KeyOf(PodSpec spec) => $"{spec.Family}\n" + string.Join('\n',
        spec.Settings.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}={s.Value}"));
}
