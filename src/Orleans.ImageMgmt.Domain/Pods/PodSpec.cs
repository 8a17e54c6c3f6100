namespace Orleans.ImageMgmt.Domain;

/// <summary>How a pod is connected: what an administrator writes down about it.</summary>
/// <param name="Name">The pod's name.</param>
/// <param name="Family">What it can run, such as <c>filesystem</c>.</param>
/// <param name="Settings">The connector's own settings as text; each connector documents its keys and refuses unknown ones.</param>
/// <param name="Labels">Free labels for selectors, at most <see cref="Limits.Labels"/>.</param>
/// <param name="Slots">Transfers that may run at once on this pod.</param>
/// <param name="Caps">How fast bytes may travel; null in an order to connect leaves what is set, null in a record is <see cref="PodCaps.None"/>.</param>
[GenerateSerializer, Immutable, Alias(Aliases.PodSpec)]
public sealed record PodSpec(
    [property: Id(0)] PodName Name,
    [property: Id(1)] string Family,
    [property: Id(2)] IReadOnlyDictionary<string, string> Settings,
    [property: Id(3)] IReadOnlyDictionary<string, string> Labels,
    [property: Id(4)] int Slots,
    [property: Id(5)] PodCaps? Caps = null);
