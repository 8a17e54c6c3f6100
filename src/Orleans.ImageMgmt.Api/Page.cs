namespace Orleans.ImageMgmt.Api;

/// <summary>One page of a list.</summary>
public sealed record Page<T>
{
    /// <summary>The rows of this page, in order.</summary>
    public required IReadOnlyList<T> Items { get; init; }

    /// <summary>Send it as <c>cursor</c> to get the next page; absent on the last one.</summary>
    public string? NextCursor { get; init; }
}

/// <summary>What every list takes.</summary>
public sealed record PageRequest
{
    /// <summary>Rows on a page when the request names none.</summary>
    public const int DefaultLimit = 100;

    /// <summary>Most rows on one page.</summary>
    public const int MaxLimit = 500;

    /// <summary>Rows on this page, 1 to <see cref="MaxLimit"/>; null = <see cref="DefaultLimit"/>.</summary>
    public int? Limit { get; init; }

    /// <summary>The <c>nextCursor</c> of the page before; null = the first page.</summary>
    public string? Cursor { get; init; }
}
