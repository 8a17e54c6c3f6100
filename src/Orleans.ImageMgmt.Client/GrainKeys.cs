using System.Globalization;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>
/// The only place that knows how grain keys are written.
/// <list type="table">
/// <item><term>image</term><description><c>Win10POS</c></description></item>
/// <item><term>version</term><description><c>Win10POS/1.0</c></description></item>
/// <item><term>pod</term><description><c>on-prem-pod-4</c></description></item>
/// <item><term>publish</term><description>the operation's id</description></item>
/// <item><term>request key</term><description>the operation's id</description></item>
/// <item><term>publish shard</term><description>the operation's id, <c>/</c>, its number from 0</description></item>
/// <item><term>fan-out</term><description>the version, <c>/</c>, the generation: <c>Win10POS/1.0/7</c></description></item>
/// <item><term>cap</term><description>the bucket that it divides: <c>out/POD</c> or <c>link/NAME</c></description></item>
/// <item><term>pulse</term><description>a number from 0</description></item>
/// <item><term>tokens</term><description><c>all</c>: there is one</description></item>
/// </list>
/// </summary>
public static class GrainKeys
{
    /// <summary>The grain that keeps an image.</summary>
    public static IImageGrain GetImage(this IGrainFactory grains, ImageName image) => grains.GetGrain<IImageGrain>(image.Value);

    /// <summary>The grain that keeps a version.</summary>
    public static IVersionGrain GetVersion(this IGrainFactory grains, VersionId version) => grains.GetGrain<IVersionGrain>(version.Value);

    /// <summary>The grain that keeps a pod.</summary>
    public static IPodGrain GetPod(this IGrainFactory grains, PodName pod) => grains.GetGrain<IPodGrain>(pod.Value);

    /// <summary>The grain that keeps a publish.</summary>
    public static IPublishGrain GetPublish(this IGrainFactory grains, OperationId operation) => grains.GetGrain<IPublishGrain>(operation.Value);

    /// <summary>The grain that keeps a slice of a publish; slices are counted from 0.</summary>
    public static IShardGrain GetShard(this IGrainFactory grains, OperationId operation, int shard) =>
        grains.GetGrain<IShardGrain>(string.Create(CultureInfo.InvariantCulture, $"{operation.Value}/{shard}"));

    /// <summary>The lists; any silo answers.</summary>
    public static ICatalogGrain GetCatalog(this IGrainFactory grains) => grains.GetGrain<ICatalogGrain>(0);

    /// <summary>The grain that knows what an operation's id was used for.</summary>
    public static IRequestKeyGrain GetRequestKey(this IGrainFactory grains, OperationId operation) => grains.GetGrain<IRequestKeyGrain>(operation.Value);

    /// <summary>The one grain that keeps the tokens.</summary>
    public static ITokensGrain GetTokens(this IGrainFactory grains) => grains.GetGrain<ITokensGrain>(AllTokens);

    /// <summary>Key of the one grain that keeps the tokens.</summary>
    public const string AllTokens = "all";

    /// <summary>The image of a key; an <see cref="ArgumentException"/> when the key is no such name.</summary>
    public static ImageName ImageOf(string key) => Parse<ImageName>(key);

    /// <summary>The version of a key; an <see cref="ArgumentException"/> when the key is not <c>IMAGE/VERSION</c>.</summary>
    public static VersionId VersionOf(string key) => Parse<VersionId>(key);

    /// <summary>The pod of a key; an <see cref="ArgumentException"/> when the key is no such name.</summary>
    public static PodName PodOf(string key) => Parse<PodName>(key);

    /// <summary>The operation of a publish's key; an <see cref="ArgumentException"/> when the key is no such id.</summary>
    public static OperationId PublishOf(string key) => Parse<OperationId>(key);

    /// <summary>Operation and number of a shard's key; an <see cref="ArgumentException"/> when the key is not <c>OPERATION/NUMBER</c>.</summary>
    public static (OperationId Operation, int Shard) ShardOf(string key)
    {
        var slash = key.LastIndexOf('/');
        return slash > 0 && int.TryParse(key.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var shard)
            ? (Parse<OperationId>(key[..slash]), shard)
            : throw new ArgumentException($"'{key}' is no shard key: OPERATION/NUMBER.", nameof(key));
    }

    /// <summary>Different numbers go to different silos, as far as there are several.</summary>
    internal static IPulseGrain GetPulse(this IGrainFactory grains, int number) => grains.GetGrain<IPulseGrain>(number);

    internal static IFanOutGrain GetFanOut(this IGrainFactory grains, VersionId version, Generation generation) =>
        grains.GetGrain<IFanOutGrain>(string.Create(CultureInfo.InvariantCulture, $"{version.Value}/{generation}"));

    internal static (VersionId Version, Generation Generation) FanOutOf(string key)
    {
        var slash = key.LastIndexOf('/');
        return slash > 0 && long.TryParse(key.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            ? (Parse<VersionId>(key[..slash]), new Generation(generation))
            : throw new ArgumentException($"'{key}' is no fan-out key: IMAGE/VERSION/GENERATION.", nameof(key));
    }

    internal static ICapGrain GetCap(this IGrainFactory grains, string bucket) => grains.GetGrain<ICapGrain>(bucket);

    private static T Parse<T>(string key) where T : struct, IWord<T> => T.TryCreate(key, out var word) ? word
        : throw new ArgumentException($"'{key}' is no {typeof(T).Name}: {T.Rule}.", nameof(key));
}
