using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Settings of a pod of the family <c>simulated</c>. Keys and defaults are in this project's README.</summary>
internal sealed record SimulatedSettings(
    TransferMode Transfer,
    bool KeepsBytes,
    long Capacity,
    int FinalisePolls,
    TimeSpan Takes,
    IReadOnlyDictionary<string, SimulatedSource> Sources)
{
    /// <summary>Room of a pod that holds its copies as bytes in memory.</summary>
    public const long DefaultMemory = 256L << 20;

    /// <summary>Room of a pod that holds digests only: 1 TiB that nobody has to have.</summary>
    public const long DefaultCapacity = 1L << 40;

    private const int MaxPolls = 1_000;

    public static ConnectorResult<SimulatedSettings> Read(PodSpec spec)
    {
        var reader = new SettingReader(spec);
        var transfer = reader.Choice("transfer", TransferMode.Chunks, new Dictionary<string, TransferMode>(StringComparer.Ordinal)
        {
            ["chunks"] = TransferMode.Chunks, ["whole"] = TransferMode.WholeArtefact, ["pull"] = TransferMode.PullFromUrl,
        });
        var bytes = reader.Choice("content", true, new Dictionary<string, bool>(StringComparer.Ordinal) { ["bytes"] = true, ["digests"] = false });
        var capacity = reader.Bytes("capacity", bytes ? DefaultMemory : DefaultCapacity);
        var polls = reader.Count("finalise-polls", 0, MaxPolls);
        var takes = reader.Time("takes", TimeSpan.Zero);
        var sources = new Dictionary<string, SimulatedSource>(StringComparer.Ordinal);
        foreach (var (name, value) in reader.Family("source."))
        {
            if (SimulatedSource.TryParse(value, out var source, out var error))
            {
                sources[name] = source;
            }
            else
            {
                reader.Fault($"'source.{name}': {error}");
            }
        }

        return reader.Finish() is { } fault ? fault : new SimulatedSettings(transfer, bytes, capacity, polls, takes, sources);
    }
}
