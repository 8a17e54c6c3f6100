using System.Globalization;
using Orleans.ImageMgmt.Domain;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Client;

/// <summary>What a caller has seen of a record and wants unchanged; checked where the record is kept, so that nothing slips in between.</summary>
/// <param name="Tags">Any of these tags will do; null = none is asked for.</param>
/// <param name="MustBeNew">There must be no such record yet.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Precondition)]
public sealed record Precondition([property: Id(0)] IReadOnlyList<string>? Tags, [property: Id(1)] bool MustBeNew = false)
{
    /// <summary>The stable code of the refusal.</summary>
    public const string Code = "precondition.failed";

    /// <summary>The refusal when the record is not as it was seen; null when it is.</summary>
    /// <param name="wanted">What the caller asks, or null for nothing.</param>
    /// <param name="tag">The record's tag as it is; null: there is no record.</param>
    /// <param name="what">The thing, for the sentence.</param>
    public static Refusal? Check(Precondition? wanted, string? tag, string what) => wanted switch
    {
        { MustBeNew: true } when tag is not null => new Refusal(Code, $"{what} is already known.", "Leave If-None-Match out to change it."),
        { Tags: { } tags } when tag is null || !(tags.Contains(tag) || tags.Contains("*")) =>
            new Refusal(Code, $"{what} has changed since it was read.", "Read it again, look at what changed, and repeat the request with the new ETag."),
        _ => null,
    };
}

/// <summary>Tags of records: they differ whenever the record does.</summary>
public static class RecordTags
{
    /// <summary>Of a pod; null when it was never connected.</summary>
    public static string? Of(Pod pod) => pod.Spec is null ? null : Text(pod.ChangedAt.UtcTicks);

    /// <summary>Of an image; null when there is none.</summary>
    public static string? Of(Image image) => image.Exists ? Text(image.ChangedAt.UtcTicks) : null;

    /// <summary>Of a version; null when there is none.</summary>
    public static string? Of(Version version) => version.Exists ? Text(version.Revision) : null;

    private static string Text(long number) => number.ToString("x", CultureInfo.InvariantCulture);
}
