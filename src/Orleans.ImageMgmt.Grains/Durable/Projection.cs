using System.Text.Json;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>State that shows in lists. Its projection is written in the same transaction, so a list never disagrees with the state.</summary>
public interface IProjected
{
    /// <summary>
    /// What lists show for this state as it is now. A pure function of the state: it runs at each write and again when the catalog is rebuilt.
    /// </summary>
    IEnumerable<Projection> Project();
}

/// <summary>What lists show. The numbers are stored.</summary>
public enum CatalogKind
{
    Image = 1,
    Version = 2,
    Pod = 3,
    Copy = 4,
    Operation = 5,
}

/// <summary>One change of what lists show.</summary>
public abstract record Projection
{
    private Projection()
    {
    }

    /// <summary>Adds or replaces a catalog row.</summary>
    public sealed record Upsert(CatalogRow Row) : Projection;

    /// <summary>Removes a catalog row; nothing happens when it is not there.</summary>
    public sealed record Delete(CatalogKind Kind, string Key) : Projection;

    /// <summary>Adds a line to the activity log. A rebuild of the catalog leaves the log as it is.</summary>
    public sealed record Append(ActivityRow Row) : Projection;
}

/// <summary>One row of a list: what it is filtered and sorted by, and a body for the reader.</summary>
/// <param name="Kind">Which list.</param>
/// <param name="Key">Unique in its kind.</param>
/// <param name="Name">Shown name.</param>
/// <param name="Status">Shown status, such as <c>Available</c>.</param>
/// <param name="Created">When the thing was made; kept to the millisecond.</param>
/// <param name="Changed">When it last changed; kept to the millisecond.</param>
/// <param name="Body">JSON for whoever reads the list.</param>
public sealed record CatalogRow(
    CatalogKind Kind, string Key, string Name, string Status, DateTimeOffset Created, DateTimeOffset Changed, string Body)
{
    /// <summary>Lists stand in ordinal order of this text, then of the key. Default: the name. For "newest first" use <see cref="Chronological"/> and read descending.</summary>
    public string Sort { get; init; } = Name;

    /// <summary>Platform family, where the thing has one.</summary>
    public string? Family { get; init; }

    /// <summary>The image it belongs to.</summary>
    public string? Image { get; init; }

    /// <summary>The version it belongs to.</summary>
    public string? Version { get; init; }

    /// <summary>The pod it belongs to.</summary>
    public string? Pod { get; init; }

    /// <summary>An operation that the resume scan has to pick up after a restart.</summary>
    public bool Unfinished { get; init; }

    /// <summary>The body as a record.</summary>
    public TBody Read<TBody>() => JsonSerializer.Deserialize<TBody>(Body, StateJson.Options)
        ?? throw new JsonException($"The catalog row {Kind} {Key} has an empty body.");

    /// <summary>A text whose ordinal order is the order of time, to the tick.</summary>
    public static string Chronological(DateTimeOffset time) =>
        time.UtcTicks.ToString("D19", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>One line of the activity log: who did what, when, to what, and how it ended.</summary>
/// <param name="At">When; kept to the millisecond.</param>
/// <param name="Actor">Who.</param>
/// <param name="Action">What, as a stable word such as <c>marker.move</c>.</param>
/// <param name="Body">JSON for whoever reads the log.</param>
public sealed record ActivityRow(DateTimeOffset At, string Actor, string Action, string Body)
{
    public string? Image { get; init; }

    public string? Version { get; init; }

    public string? Pod { get; init; }

    public string? Operation { get; init; }

    /// <summary>The line's number, rising by time of writing; 0 until it is stored.</summary>
    public long Number { get; init; }
}
