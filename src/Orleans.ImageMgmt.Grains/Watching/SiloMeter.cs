using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// The instruments of one silo. Names, units and attributes follow the semantic conventions of OpenTelemetry 1.37 (general metric names, <c>error.type</c>);
/// what is ours is in the namespace <c>imgmt</c>. docs/metrics.md lists them, and a test keeps the list true.
/// </summary>
public sealed class SiloMeter : IDisposable
{
    /// <summary>The meter's name, for whoever listens by name.</summary>
    public const string Name = "Orleans.ImageMgmt";

    /// <summary>Seconds, from a removal of an empty folder to a transfer of a day.</summary>
    private static readonly double[] LongSeconds = [0.05, 0.25, 1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 86_400];

    /// <summary>Bytes a second, from a slow link to a fast disk.</summary>
    private static readonly double[] Rates = [100e3, 300e3, 1e6, 3e6, 10e6, 30e6, 100e6, 300e6, 1e9, 3e9];

    private readonly Histogram<double> transferDuration;
    private readonly Histogram<double> transferRate;
    private readonly Counter<long> retries;
    private readonly Counter<long> failures;
    private readonly Histogram<double> operationDuration;

    /// <param name="meters">Makes meters that belong to one host, so that two hosts of one process are told apart; null: the process has one.</param>
    /// <param name="transfers">What the transfers of the silo have done.</param>
    public SiloMeter(TransferCounters transfers, IMeterFactory? meters = null)
    {
        Meter = meters?.Create(Name) ?? new Meter(Name);
        transferDuration = Seconds("imgmt.transfer.duration", "Time of one step of a copy at its pod, without waiting for a slot");
        transferRate = Meter.CreateHistogram("imgmt.transfer.rate", "By/s", "Bytes a second of a copy that was received, without the time that caps held it back",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Rates });
        retries = Meter.CreateCounter<long>("imgmt.copy.retries", "{retry}", "Tries of copies that failed and are made again");
        failures = Meter.CreateCounter<long>("imgmt.copy.failures", "{copy}", "Copies that were given up");
        operationDuration = Seconds("imgmt.operation.duration", "Time from the acceptance of an operation to its end");
        Observe(transfers);
    }

    /// <summary>For instruments that others add.</summary>
    public Meter Meter { get; }

    /// <summary>A word as it stands in attributes, the same as in the HTTP interface.</summary>
    public static string Word<T>(T value) where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    public void Dispose() => Meter.Dispose();

    internal void TransferEnded(string step, TimeSpan duration, ConnectorFault? fault)
    {
        var tags = new TagList { { "imgmt.transfer.step", step } };
        if (fault is not null)
        {
            tags.Add("error.type", Word(fault.Cause));
        }

        transferDuration.Record(duration.TotalSeconds, tags);
    }

    internal void Received(long bytesPerSecond) => transferRate.Record(bytesPerSecond);

    /// <summary>Counts what a stored change of a copy says about tries and verifications.</summary>
    internal void Changed(Copy before, Copy after)
    {
        if (before.Check is { IsOpen: true, Operation: not null } && after.Check is { IsOpen: false, EndedAt: { } ended } check)
        {
            OperationEnded(OperationBody.Verify, check.State, ended - check.AskedAt);
        }

        if (after.Fault is not { } fault)
        {
            return;
        }

        if (after.State == CopyState.Failed && before.State != CopyState.Failed)
        {
            failures.Add(1, Of(fault));
        }
        else if (after.RetryAt is not null && after.RetryAt != before.RetryAt)
        {
            retries.Add(1, Of(fault));
        }
    }

    internal void OperationEnded(string kind, OperationState state, TimeSpan duration) => operationDuration.Record(
        Math.Max(0, duration.TotalSeconds), new TagList { { "imgmt.operation.kind", kind }, { "imgmt.operation.state", Word(state) } });

    private static TagList Of(ConnectorFault fault) => new() { { "error.type", Word(fault.Cause) }, { "imgmt.fault.stage", Word(fault.Stage) } };

    private Histogram<double> Seconds(string name, string description) =>
        Meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LongSeconds });

    private void Observe(TransferCounters transfers)
    {
        Meter.CreateObservableUpDownCounter("imgmt.transfer.active", () => ByState(transfers.Waiting, transfers.UnderWay), "{transfer}",
            "Transfers, read-backs and removals of this silo that wait for a slot or are at work");
        Meter.CreateObservableCounter("imgmt.transfer.io", () => transfers.ByPod().Select(p => new Measurement<long>(p.Value, new KeyValuePair<string, object?>("imgmt.pod.name", p.Key))),
            "By", $"Bytes staged on pods; the first {TransferCounters.PodLimit} pods of a silo by name, all others together");
        Meter.CreateObservableCounter("imgmt.copy.read_backs", () => transfers.CopiesReadBack, "{copy}", "Available copies read back again, by the scrub or because somebody asked");
        Meter.CreateObservableCounter("imgmt.copy.damages", () => transfers.CopiesDamaged, "{copy}", "Of those, copies that were found damaged");
        Meter.CreateObservableCounter("imgmt.copy.repairs", () => transfers.CopiesRepaired, "{copy}", "Damaged copies made whole");
        Meter.CreateObservableCounter("imgmt.repair.io", () => transfers.RepairBytes, "By", "Bytes that travelled for repairs");
        Meter.CreateObservableCounter("imgmt.peer.io", () => transfers.BytesFromPeers, "By", "Bytes that came from other pods than the source pod");
        Meter.CreateObservableCounter("imgmt.peer.wrong_chunks", () => transfers.ChunksWrong, "{chunk}", "Chunks that came with wrong bytes from such pods");
        Meter.CreateObservableCounter("imgmt.peer.set_asides", () => transfers.PeersSetAside, "{pod}", "Pods that were set aside because of that");
        Meter.CreateObservableUpDownCounter("imgmt.report.active", () => transfers.ReportsUnderWay, "{report}", "Words from grain to grain that are under way outside of turns");
    }

    private static IEnumerable<Measurement<int>> ByState(int waiting, int all) =>
    [
        new(waiting, new KeyValuePair<string, object?>("imgmt.transfer.state", "waiting")),
        new(Math.Max(0, all - waiting), new KeyValuePair<string, object?>("imgmt.transfer.state", "running")),
    ];
}
