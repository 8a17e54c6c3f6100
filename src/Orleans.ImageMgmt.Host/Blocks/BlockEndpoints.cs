using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>The block server's questions and answers in HTTP.</summary>
internal sealed class BlockEndpoints(BlockDesk desk, TimeSpan sendTimeout, TimeProvider time, ILogger log)
{
    private const string Binary = "application/octet-stream";
    private const string ManifestKey = "manifest";
    private static readonly string MaxBlocks = NumberRuns.MaxCount.ToString(CultureInfo.InvariantCulture);

    public void Map(WebApplication app)
    {
        app.MapGet($"{BlockRoutes.Root}/{{{ManifestKey}}}/{BlockRoutes.Manifest}", http => RunAsync(http, TicketUse.Blocks, ManifestAsync));
        app.MapGet($"{BlockRoutes.Root}/{{{ManifestKey}}}/{BlockRoutes.Content}", http => RunAsync(http, TicketUse.Blocks, ContentAsync));
        app.MapGet($"{BlockRoutes.Root}/{{{ManifestKey}}}/{BlockRoutes.Digests}", http => RunAsync(http, TicketUse.Blocks, DigestsAsync));
        app.MapGet($"{BlockRoutes.Root}/{{{ManifestKey}}}/{BlockRoutes.Packed}", http => RunAsync(http, TicketUse.Blocks, PackedAsync));
        app.MapMethods($"{BlockRoutes.Root}/{{{ManifestKey}}}/{BlockRoutes.Artefact}", [HttpMethods.Get, HttpMethods.Head], http => RunAsync(http, TicketUse.Artefact, ArtefactAsync));
    }

    private async Task RunAsync(HttpContext http, TicketUse use, Func<HttpContext, BlockCaller, Task> answer)
    {
        if (!Digest.TryCreate(http.Request.RouteValues[ManifestKey] as string, out var manifest))
        {
            await RefuseAsync(http, BlockRefusal.Malformed("The path names no content: 64 hexadecimal digits are expected."));
            return;
        }

        http.Response.Headers[BlockRoutes.MaxBlocksHeader] = MaxBlocks;
        try
        {
            await answer(http, new BlockCaller(TicketOf(http, use), ReceiverOf(http), manifest, use));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The receiver is gone.
        }
    }

    private async Task ManifestAsync(HttpContext http, BlockCaller caller)
    {
        using var answer = await desk.ManifestAsync(caller, http.RequestAborted);
        await SendAsync(http, answer, StatusCodes.Status200OK);
    }

    private async Task ContentAsync(HttpContext http, BlockCaller caller)
    {
        if (RangeOf(http) is not { } range)
        {
            await RefuseAsync(http, BlockRefusal.Malformed($"One range of at most {BlockDesk.MaxRange} bytes is expected, such as 'Range: bytes=0-1048575'."));
            return;
        }

        using var answer = await desk.BytesAsync(caller, range.From, range.To - range.From + 1, http.RequestAborted);
        if (answer.Refusal is null)
        {
            http.Response.Headers.ContentRange = new ContentRangeHeaderValue(range.From, range.From + answer.Bytes.Length - 1, answer.TotalLength).ToString();
        }

        await SendAsync(http, answer, StatusCodes.Status206PartialContent);
    }

    private async Task DigestsAsync(HttpContext http, BlockCaller caller)
    {
        if (BlockQuery.Digests(http) is not { } request)
        {
            await RefuseAsync(http, BlockRefusal.Malformed($"At most {NumberRuns.MaxCount} pieces and bases are expected, such as '?pieces=0%2B63&bases='."));
            return;
        }

        using var answer = await desk.DigestsAsync(caller, request, http.RequestAborted);
        await SendAsync(http, answer, StatusCodes.Status200OK);
    }

    private async Task PackedAsync(HttpContext http, BlockCaller caller)
    {
        if (BlockQuery.Blocks(http) is not { } request)
        {
            await RefuseAsync(http, BlockRefusal.Malformed($"At most {NumberRuns.MaxCount} blocks, a level and bases are expected, such as '?blocks=0%2B255&level=1&bases='."));
            return;
        }

        using var answer = await desk.PackedAsync(caller, request, http.RequestAborted);
        await SendAsync(http, answer, StatusCodes.Status200OK);
    }

    /// <summary>The whole artefact, or the rest from a byte on. Each piece waits for its turn like every other read.</summary>
    private async Task ArtefactAsync(HttpContext http, BlockCaller caller)
    {
        var range = http.Request.Headers.Range.Count == 0 ? (From: 0, To: null) : RangeOf(http, isOpenAllowed: true);
        if (range is not { } wanted)
        {
            await RefuseAsync(http, BlockRefusal.Malformed("The range cannot be read; 'Range: bytes=N-' goes on from byte N."));
            return;
        }

        var (lease, ticket, refusal) = await desk.OpenAsync(caller, http.RequestAborted);
        using (lease)
        {
            var total = lease?.Reader.Manifest.Length ?? 0;
            var end = Math.Min(wanted.To ?? long.MaxValue, total - 1);
            refusal ??= http.Request.Headers.Range.Count > 0 && wanted.From > end ? BlockRefusal.OutOfRange : null;
            if (refusal is not null)
            {
                await RefuseAsync(http, refusal, total);
                return;
            }

            Begin(http, wanted.From, end, total);
            if (HttpMethods.IsGet(http.Request.Method))
            {
                await SendPiecesAsync(http, lease!, ticket!, wanted.From, end);
            }
        }
    }

    private static void Begin(HttpContext http, long from, long end, long total)
    {
        var isRange = http.Request.Headers.Range.Count > 0;
        http.Response.StatusCode = isRange ? StatusCodes.Status206PartialContent : StatusCodes.Status200OK;
        http.Response.ContentType = Binary;
        http.Response.ContentLength = end - from + 1;
        http.Response.Headers.AcceptRanges = "bytes";
        http.Response.Headers.ContentRange = isRange ? new ContentRangeHeaderValue(from, end, total).ToString() : default;
    }

    private async Task SendPiecesAsync(HttpContext http, CopyLease lease, BlockTicket ticket, long from, long end)
    {
        for (var at = from; at <= end;)
        {
            var length = (int)Math.Min(BlockDesk.MaxRange, end - at + 1);
            using var piece = await desk.PieceAsync(lease, ticket, at, length, http.RequestAborted);
            if (piece.Refusal is { } trouble)
            {
                BlocksLog.Broken(log, FromOf(http), trouble.Code);
                http.Abort(); // what has been sent is no whole artefact: the other side has to see that
                return;
            }

            await WriteAsync(http, piece.Bytes);
            at += length;
        }
    }

    private async Task SendAsync(HttpContext http, BlockAnswer answer, int status)
    {
        if (answer.Refusal is { } refusal)
        {
            await RefuseAsync(http, refusal, answer.TotalLength);
            return;
        }

        http.Response.StatusCode = status;
        http.Response.ContentType = Binary;
        http.Response.ContentLength = answer.Bytes.Length;
        await WriteAsync(http, answer.Bytes);
    }

    /// <summary>A receiver that does not take its answer in time loses its connection, and its place goes to others.</summary>
    private async Task WriteAsync(HttpContext http, ReadOnlyMemory<byte> bytes)
    {
        using var enough = new CancellationTokenSource(sendTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, http.RequestAborted);
        try
        {
            await http.Response.Body.WriteAsync(bytes, either.Token);
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            BlocksLog.TooSlow(log, FromOf(http), bytes.Length, sendTimeout.TotalSeconds);
            http.Abort();
        }
    }

    private async Task RefuseAsync(HttpContext http, BlockRefusal refusal, long total = 0)
    {
        BlocksLog.Refused(log, FromOf(http), refusal.Code);
        var status = refusal.Kind switch
        {
            BlockRefusalKind.NotKnown => StatusCodes.Status401Unauthorized,
            BlockRefusalKind.NotAllowed => StatusCodes.Status403Forbidden,
            BlockRefusalKind.NotThere => StatusCodes.Status404NotFound,
            BlockRefusalKind.OutOfRange => StatusCodes.Status416RangeNotSatisfiable,
            BlockRefusalKind.TooMuchAtOnce => StatusCodes.Status429TooManyRequests,
            BlockRefusalKind.Busy => StatusCodes.Status503ServiceUnavailable,
            _ => StatusCodes.Status400BadRequest,
        };
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/problem+json";
        switch (refusal.Kind)
        {
            case BlockRefusalKind.NotKnown:
                http.Response.Headers.WWWAuthenticate = BlockRoutes.Scheme;
                break;
            case BlockRefusalKind.OutOfRange:
                http.Response.Headers.ContentRange = new ContentRangeHeaderValue(total).ToString();
                break;
            case BlockRefusalKind.TooMuchAtOnce or BlockRefusalKind.Busy:
                http.Response.Headers.RetryAfter = "1";
                break;
            default:
                break;
        }

        var body = JsonSerializer.SerializeToUtf8Bytes(new { status, code = refusal.Code, detail = refusal.Sentence });
        http.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            await WriteAsync(http, body);
        }
    }

    private static string? TicketOf(HttpContext http, TicketUse use)
    {
        if (use == TicketUse.Artefact)
        {
            return http.Request.Query[BlockRoutes.TicketQuery] is [{ } one] ? one : null;
        }

        const string Scheme = BlockRoutes.Scheme + " ";
        return http.Request.Headers.Authorization is [{ } header] && header.StartsWith(Scheme, StringComparison.Ordinal) ? header[Scheme.Length..] : null;
    }

    private static Digest? ReceiverOf(HttpContext http) =>
        http.Connection.ClientCertificate is { } shown ? Digest.FromBytes(SHA256.HashData(shown.RawData)) : null;

    private static string FromOf(HttpContext http) => http.Connection.RemoteIpAddress?.ToString() ?? "";

    /// <summary>Exactly one range, with both ends.</summary>
    private static (long From, long To)? RangeOf(HttpContext http) => RangeOf(http, isOpenAllowed: false) is (var from, { } to) ? (from, to) : null;

    private static (long From, long? To)? RangeOf(HttpContext http, bool isOpenAllowed)
    {
        const string Unit = "bytes=";
        if (http.Request.Headers.Range is not [{ } text] || !text.StartsWith(Unit, StringComparison.Ordinal) || text.IndexOf('-', StringComparison.Ordinal) is not (> 0 and var dash))
        {
            return null;
        }

        var (first, last) = (text[Unit.Length..dash], text[(dash + 1)..]);
        return (Number(first), last.Length == 0 && isOpenAllowed, Number(last)) switch
        {
            ({ } from, true, _) => (from, null),
            ({ } from, false, { } to) when to >= from && to < long.MaxValue => (from, to),
            _ => null,
        };
    }

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
