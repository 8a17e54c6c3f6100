using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>What to list. Filters that are null let everything through; those given must all hold.</summary>
/// <param name="Kind">Which list.</param>
public sealed record CatalogQuery(CatalogKind Kind)
{
    public string? Status { get; init; }

    public string? Family { get; init; }

    public string? Image { get; init; }

    public string? Version { get; init; }

    public string? Pod { get; init; }

    /// <summary>The name begins with this, upper and lower case told apart.</summary>
    public string? NamePrefix { get; init; }

    /// <summary>Labels that a pod's row must all carry.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>The kind of operation that an operation's row is about.</summary>
    public string? OperationKind { get; init; }

    /// <summary>Rows stand in the order of their names: those that begin alike stand together.</summary>
    internal bool IsByName => Kind is CatalogKind.Image or CatalogKind.Pod;

    /// <summary>Above every text that begins with <see cref="NamePrefix"/>: no character is higher.</summary>
    internal string BeyondPrefix => $"{NamePrefix}\U0010FFFF";

    /// <summary>From the end of the order: newest first where rows sort by time.</summary>
    public bool Descending { get; init; }

    /// <summary>Where the page before ended, or null for the first page.</summary>
    public CatalogCursor? After { get; init; }

    /// <summary>1 to <see cref="Domain.Limits.PageRows"/> rows. Default: 100.</summary>
    public int Limit { get; init; } = 100;
}

/// <summary>The place in a list after which the next page begins. Rows that come and go in between shift nothing.</summary>
public readonly record struct CatalogCursor(string Sort, string Key)
{
    /// <summary>Characters of a cursor's text; a longer one is none of ours.</summary>
    private const int TextLimit = 4_096;

    /// <summary>The text that <see cref="ToString"/> made, given back by a caller.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out CatalogCursor cursor)
    {
        cursor = default;
        if (text is null or { Length: > TextLimit } || !Base64Url.IsValid(text))
        {
            return false;
        }

        try
        {
            if (JsonSerializer.Deserialize<string[]>(Base64Url.DecodeFromChars(text)) is not [{ } sort, { } key])
            {
                return false;
            }

            cursor = new CatalogCursor(sort, key);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public override string ToString() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new[] { Sort, Key })));
}

/// <summary>One page of a list.</summary>
/// <param name="Rows">In order.</param>
/// <param name="Next">For the next page; null when this is the last one.</param>
public sealed record CatalogPage(IReadOnlyList<CatalogRow> Rows, CatalogCursor? Next);

/// <summary>What to read of the activity log, newest first. Of the filters at most one of image, pod and operation is the fast one.</summary>
public sealed record ActivityQuery
{
    public string? Image { get; init; }

    public string? Pod { get; init; }

    public string? Operation { get; init; }

    /// <summary>Only lines with a smaller number, or null for the newest.</summary>
    public long? Before { get; init; }

    /// <summary>1 to <see cref="Domain.Limits.PageRows"/> rows. Default: 100.</summary>
    public int Limit { get; init; } = 100;
}
