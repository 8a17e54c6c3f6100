namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>That this database got its catalog out of another one, as a whole; stored with it, in the same transaction.</summary>
public sealed class MoveRecord : StoredState
{
    internal const string Key = "service";
    internal const string Name = "moved";

    /// <summary>Where it was, such as <c>/var/lib/imgmt on host-1</c>.</summary>
    public string From { get; init; } = "";

    public DateTimeOffset MovedAt { get; init; }

    /// <summary>Who did it.</summary>
    public string By { get; init; } = "";

    /// <summary>What it was: the same catalog moved again is known by it.</summary>
    public IReadOnlyList<CatalogSum> Sums { get; init; } = [];

    /// <summary>Whether these are the sums of the same catalog.</summary>
    public bool IsOf(IReadOnlyList<CatalogSum> sums) => Sums.SequenceEqual(sums);
}
