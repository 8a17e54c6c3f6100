using System.Globalization;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Reads what stands behind the question mark; null is what cannot be read.</summary>
internal static class BlockQuery
{
    private static int? Count(HttpContext http, string key) =>
        http.Request.Query[key] is [{ } text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>Which pieces' digests. That they lie in the content is checked where the content is known.</summary>
    public static DigestRequest? Digests(HttpContext http) =>
        Runs(http, BlockRoutes.PiecesQuery) is { } pieces && Bases(http) is { } bases ? new DigestRequest(pieces, bases) : null;

    /// <summary>Which blocks, and how they shall be packed.</summary>
    public static BlockRequest? Blocks(HttpContext http) =>
        Runs(http, BlockRoutes.BlocksQuery) is { } blocks && Count(http, BlockRoutes.LevelQuery) is { } level && Bases(http) is { } bases
            ? new BlockRequest(blocks, level, bases)
            : null;

    private static NumberRuns? Runs(HttpContext http, string key) => http.Request.Query[key] is [{ } text] ? NumberRuns.TryParse(text) : null;

    private static List<Digest>? Bases(HttpContext http)
    {
        if (http.Request.Query[BlockRoutes.BasesQuery] is not [{ } text])
        {
            return null;
        }

        var found = new List<Digest>();
        foreach (var hex in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!Digest.TryCreate(hex, out var known))
            {
                return null;
            }

            found.Add(known);
        }

        return found;
    }
}
