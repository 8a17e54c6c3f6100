using System.Globalization;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Reads what stands behind the question mark; null is what cannot be read.</summary>
internal static class BlockQuery
{
    public static int? Count(HttpContext http, string key) =>
        http.Request.Query[key] is [{ } text] && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>Which blocks, and how they shall be packed. That they lie in the content is checked where the content is known.</summary>
    public static BlockRequest? Request(HttpContext http) =>
        Count(http, BlockRoutes.PieceQuery) is { } piece && Count(http, BlockRoutes.LevelQuery) is { } level && Blocks(http) is { } blocks && Bases(http) is { } bases
            ? new BlockRequest(piece, blocks, level, bases)
            : null;

    private static BlockSet? Blocks(HttpContext http) =>
        http.Request.Query[BlockRoutes.BlocksQuery] is [{ Length: BlockSet.ByteLength * 2 } hex] && hex.All(char.IsAsciiHexDigit) ? BlockSet.Read(Convert.FromHexString(hex)) : null;

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
