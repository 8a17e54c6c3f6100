using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>Paths and headers that the block server and its callers share. Everything is a GET without a body.</summary>
/// <remarks><c>/blocks/v1/HEX/…</c>, where HEX is the SHA-256 of the encoded manifest: <c>manifest</c>, <c>content</c> (one range of at most 1 MiB),
/// <c>digests?pieces=&amp;bases=</c> and <c>packed?blocks=&amp;level=&amp;bases=</c> (see <see cref="IBlockReader"/>; pieces and blocks are
/// <see cref="NumberRuns"/>, bases are digests with commas between), <c>artefact</c> (all of it, the ticket in the query).</remarks>
public static class BlockRoutes
{
    public const string Root = "/blocks/v1";

    /// <summary>The scheme of the Authorization header.</summary>
    public const string Scheme = "ImgmtTicket";

    /// <summary>Header of every answer about a content: blocks that one request may name. A server that does not say it takes <see cref="BlockRequest.UsualBlocks"/>.</summary>
    public const string MaxBlocksHeader = "Imgmt-Max-Blocks";

    public const string Manifest = "manifest";

    public const string Content = "content";

    public const string Digests = "digests";

    public const string Packed = "packed";

    public const string Artefact = "artefact";

    /// <summary>Name of the ticket in an artefact's address.</summary>
    public const string TicketQuery = "ticket";

    public const string PiecesQuery = "pieces";

    public const string BlocksQuery = "blocks";

    public const string LevelQuery = "level";

    public const string BasesQuery = "bases";

    public static string Of(Digest manifest, string what) => $"{Root}/{Convert.ToHexStringLower(manifest.ToBytes())}/{what}";
}
