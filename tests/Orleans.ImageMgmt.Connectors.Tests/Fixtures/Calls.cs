using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>The calls as these tests make them, in short.</summary>
internal static class Calls
{
    public static readonly VersionId Pos = new(new ImageName("Win10POS"), new VersionName("1.0"));

    public static CopyOrder Order(long generation = 1) => new(Pos, new Generation(generation), 1);

    public static Task<ConnectorResult<StagedCopy>> ReceiveAsync(this IPodConnector pod, OfferedDisk disk, ITransferObserver? observer = null, CancellationToken token = default) =>
        pod.ReceiveAsync(Order(), Value(ReaderOffer.Create(disk, disk.Content)), observer ?? SilentObserver.Instance, token);

    public static Task<ConnectorResult<Receipt>> FinaliseAsync(this IPodConnector pod, OfferedDisk disk) =>
        pod.FinaliseAsync(Order(), disk.Content, SilentObserver.Instance, CancellationToken.None);

    public static Task<ConnectorResult<PreparedCopy>> PrepareAsync(this IPodConnector pod, SourceRef source) =>
        pod.PrepareAsync(Order(), source, SilentObserver.Instance, CancellationToken.None);

    public static Task<ConnectorResult<Receipt>> VerifyAsync(this IPodConnector pod) => pod.VerifyAsync(Pos, SilentObserver.Instance, CancellationToken.None);

    public static async Task<IReadOnlyList<InventoryEntry>> InventoryAsync(this IPodConnector pod) =>
        Value(await pod.InventoryAsync(null, Limits.PageRows, CancellationToken.None)).Entries;

    public static T Value<T>(ConnectorResult<T> result)
    {
        if (result is ConnectorResult<T>.Failed failed)
        {
            Assert.Fail(failed.Fault.ToString());
        }

        return Assert.IsType<ConnectorResult<T>.Done>(result).Value;
    }

    public static ConnectorFault Fault<T>(ConnectorResult<T> result) => Assert.IsType<ConnectorResult<T>.Failed>(result).Fault;

    public static ConnectorFault Fault<T>(ConnectorResult<T> result, FaultCause cause)
    {
        var fault = Fault(result);
        Assert.True(fault.Cause == cause, $"{fault} is no {cause}.");
        return fault;
    }

    public static PodSpec Spec(string family, params (string Key, string Value)[] settings) => new(
        new PodName("pod-1"), family, settings.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal), new Dictionary<string, string>(), 2);
}
