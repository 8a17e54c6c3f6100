using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>How a receiver asks a block server. Every wait and retry has its limit here.</summary>
public sealed record BlockCallOptions
{
    /// <summary>Requests of one reader under way, each on a connection of its own. Default: 4: more are no faster.</summary>
    public int Connections { get; init; } = 4;

    /// <summary>Longest time for one request of at most 2 MiB, its answer included. Default: 30 s: half of what a transfer waits for a piece.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often one request is made before its failure is told. Default: 3.</summary>
    public int Tries { get; init; } = 3;

    /// <summary>Wait before the second try, twice as long before each further one. Default: 200 ms.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>A ticket is renewed when less than this is left of it. Default: 2 min, as much as clocks may differ.</summary>
    public TimeSpan RenewBefore { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>Where the content is read from.</summary>
/// <param name="Server">The block server's address; only scheme, host and port count.</param>
/// <param name="Manifest">SHA-256 of the encoded manifest.</param>
/// <param name="RenewTicket">Asks the service for a ticket. Called by one request at a time.</param>
public sealed record BlockSource(Uri Server, Digest Manifest, Func<CancellationToken, ValueTask<IssuedTicket>> RenewTicket);

/// <summary>
/// Ranged reads of a copy on another machine: HTTP/1.1, one piece a request, a few requests at once. A request that breaks or takes too long is made again;
/// its connection is closed by then, so that the next try has another one.
/// </summary>
/// <remarks>Bytes are not checked here: whoever receives hashes every chunk on arrival, and asks again for one that is wrong. The manifest is checked.</remarks>
public sealed class HttpContentReader : IContentReader, IBlockReader
{
    /// <summary>Of a refusal; a server of ours says less.</summary>
    private const int MaxProblemLength = 4 << 10;

    /// <summary>A manifest is never longer than 4 MiB and its head.</summary>
    private const int MaxManifestLength = (4 << 20) + 4096;

    private readonly BlockSource source;
    private readonly HttpMessageInvoker http;
    private readonly BlockCallOptions options;
    private readonly TimeProvider time;
    private readonly SemaphoreSlim turns;
    private readonly SemaphoreSlim renewing = new(1);
    private IssuedTicket? ticket;
    private int maxBlocks = BlockRequest.UsualBlocks;

    private HttpContentReader(BlockSource source, HttpMessageInvoker http, BlockCallOptions options, TimeProvider time)
    {
        (this.source, this.http, this.options, this.time) = (source, http, options, time);
        turns = new SemaphoreSlim(options.Connections);
    }

    public ContentManifest Manifest { get; private set; } = null!;

    public SafeFileHandle? LocalFile => null;

    public int MaxBlocksAt(long block) => Volatile.Read(ref maxBlocks);

    /// <summary>Fetches the manifest and holds it against the digest.</summary>
    /// <param name="source">Where from.</param>
    /// <param name="http">Calls the server, and lets nobody else answer. Stays the caller's.</param>
    /// <param name="options">Limits.</param>
    /// <param name="time">Clock of all waits.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="BlockCallException">The server refused, or did not answer.</exception>
    /// <exception cref="InvalidDataException">What came is not the manifest.</exception>
    public static async Task<HttpContentReader> OpenAsync(
        BlockSource source, HttpMessageInvoker http, BlockCallOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var reader = new HttpContentReader(source, http, options, time);
        var bytes = await reader.AskAsync(BlockRoutes.Of(source.Manifest, BlockRoutes.Manifest), null, TakeManifestAsync, cancellationToken);
        var manifest = ContentManifest.Decode(bytes);
        reader.Manifest = manifest.ComputeDigest() == source.Manifest
            ? manifest
            : throw new InvalidDataException($"{source.Server.Authority} gave the manifest {manifest.ComputeDigest().Short()}; {source.Manifest.Short()} was asked for.");
        return reader;
    }

    /// <summary>The same where the manifest is at hand already: nothing is asked before the first read.</summary>
    /// <exception cref="ArgumentException">It is another one than the source's.</exception>
    public static HttpContentReader Knowing(ContentManifest manifest, BlockSource source, HttpMessageInvoker http, BlockCallOptions options, TimeProvider time) =>
        manifest.ComputeDigest() == source.Manifest
            ? new HttpContentReader(source, http, options, time) { Manifest = manifest }
            : throw new ArgumentException($"The manifest {manifest.ComputeDigest().Short()} is not {source.Manifest.Short()}.", nameof(manifest));

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        for (var done = 0; done < buffer.Length;)
        {
            var part = buffer.Slice(done, Math.Min(BlockDesk.MaxRange, buffer.Length - done));
            var from = offset + done;
            await AskAsync(
                BlockRoutes.Of(source.Manifest, BlockRoutes.Content),
                new RangeHeaderValue(from, from + part.Length - 1),
                async (answer, stop) =>
                {
                    await TakeAsync(answer, part, stop);
                    return part.Length;
                },
                cancellationToken);
            done += part.Length;
        }
    }

    public async ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken)
    {
        var longest = DigestAnswer.MaxLength(request.Pieces.Count);
        ArgumentOutOfRangeException.ThrowIfLessThan(answer.Length, longest);
        return await AskAsync(
            $"{BlockRoutes.Of(source.Manifest, BlockRoutes.Digests)}?{BlockRoutes.PiecesQuery}={Escaped(request.Pieces)}&{BlockRoutes.BasesQuery}={Text(request.Bases)}",
            null,
            (reply, stop) => TakeUpToAsync(reply, answer[..longest], stop),
            cancellationToken);
    }

    public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
    {
        var longest = BlockFrame.MaxLengthFor(request.BytesIn(Manifest.Length));
        ArgumentOutOfRangeException.ThrowIfLessThan(frame.Length, longest);
        return await AskAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{BlockRoutes.Of(source.Manifest, BlockRoutes.Packed)}?{BlockRoutes.BlocksQuery}={Escaped(request.Blocks)}&{BlockRoutes.LevelQuery}={request.Level}&{BlockRoutes.BasesQuery}={Text(request.Bases)}"),
            null,
            (answer, stop) => TakeUpToAsync(answer, frame[..longest], stop),
            cancellationToken);
    }

    private static string Text(IReadOnlyList<Digest> bases) => string.Join(',', bases.Select(known => Convert.ToHexStringLower(known.ToBytes())));

    /// <summary>A plus sign would be read as a space.</summary>
    private static string Escaped(NumberRuns runs) => runs.ToString().Replace("+", "%2B", StringComparison.Ordinal);

    /// <summary>Nothing to close: connections belong to the caller's pool, and a request that was left behind still gives its turn back.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>One question, asked until it is answered or the tries are used up.</summary>
    private async Task<T> AskAsync<T>(string path, RangeHeaderValue? range, Func<HttpResponseMessage, CancellationToken, Task<T>> take, CancellationToken cancellationToken)
    {
        await turns.WaitAsync(cancellationToken);
        try
        {
            var delay = options.FirstDelay;
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    return await AskOnceAsync(path, range, take, cancellationToken);
                }
                catch (BlockCallException trouble) when (attempt < options.Tries && (trouble.IsPassing || trouble.Status == HttpStatusCode.Unauthorized))
                {
                    Forget(trouble);
                }

                await Task.Delay(delay, time, cancellationToken);
                delay *= 2;
            }
        }
        finally
        {
            turns.Release();
        }
    }

    private async Task<T> AskOnceAsync<T>(string path, RangeHeaderValue? range, Func<HttpResponseMessage, CancellationToken, Task<T>> take, CancellationToken cancellationToken)
    {
        using var enough = new CancellationTokenSource(options.RequestTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(source.Server, path)) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Headers.Authorization = new AuthenticationHeaderValue(BlockRoutes.Scheme, await TicketAsync(either.Token));
            request.Headers.Range = range;
            using var answer = await http.SendAsync(request, either.Token);
            var wanted = range is null ? HttpStatusCode.OK : HttpStatusCode.PartialContent;
            Learn(answer, isGiven: answer.StatusCode == wanted);
            return answer.StatusCode == wanted ? await take(answer, either.Token) : throw await RefusalAsync(answer, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BlockCallException($"{source.Server.Authority} gave no whole answer within {options.RequestTimeout.TotalSeconds:0} s.");
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException and not BlockCallException)
        {
            throw new BlockCallException($"The connection to {source.Server.Authority} broke: {broken.Message}", broken);
        }
    }

    private async ValueTask<string> TicketAsync(CancellationToken cancellationToken)
    {
        if (Good(Volatile.Read(ref ticket)) is { } held)
        {
            return held.Text;
        }

        await renewing.WaitAsync(cancellationToken);
        try
        {
            var fresh = Good(ticket) ?? await source.RenewTicket(cancellationToken);
            Volatile.Write(ref ticket, fresh);
            return fresh.Text;
        }
        finally
        {
            renewing.Release();
        }
    }

    private IssuedTicket? Good(IssuedTicket? held) => held is not null && held.ExpiresAt - time.GetUtcNow() > options.RenewBefore ? held : null;

    /// <summary>A ticket that the server does not take is not shown again.</summary>
    private void Forget(BlockCallException trouble)
    {
        if (trouble.Status == HttpStatusCode.Unauthorized)
        {
            Volatile.Write(ref ticket, null);
        }
    }

    /// <summary>A server that takes longer requests than every build does says so with each answer; one that does not any more is an older build.</summary>
    private void Learn(HttpResponseMessage answer, bool isGiven)
    {
        var isSaid = answer.Headers.TryGetValues(BlockRoutes.MaxBlocksHeader, out var values);
        if (isSaid || isGiven)
        {
            var most = isSaid && int.TryParse(values!.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var said) ? said : 0;
            Volatile.Write(ref maxBlocks, Math.Clamp(most, BlockRequest.UsualBlocks, NumberRuns.MaxCount));
        }
    }

    private static async Task TakeAsync(HttpResponseMessage answer, Memory<byte> into, CancellationToken stop)
    {
        if (answer.Content.Headers.ContentLength != into.Length)
        {
            throw new BlockCallException($"The answer has {answer.Content.Headers.ContentLength} bytes; {into.Length} were asked for.");
        }

        await using var body = await answer.Content.ReadAsStreamAsync(stop);
        await body.ReadExactlyAsync(into, stop);
    }

    /// <summary>An answer whose length the sender chooses.</summary>
    private static async Task<int> TakeUpToAsync(HttpResponseMessage answer, Memory<byte> into, CancellationToken stop)
    {
        if (answer.Content.Headers.ContentLength is not (> 0 and var length) || length > into.Length)
        {
            throw new BlockCallException($"The answer has {answer.Content.Headers.ContentLength} bytes; 1 to {into.Length} were expected.");
        }

        await TakeAsync(answer, into[..(int)length], stop);
        return (int)length;
    }

    private static async Task<byte[]> TakeManifestAsync(HttpResponseMessage answer, CancellationToken stop)
    {
        if (answer.Content.Headers.ContentLength is not (> 0 and <= MaxManifestLength and var length))
        {
            throw new BlockCallException($"A manifest of {answer.Content.Headers.ContentLength} bytes is none.");
        }

        var bytes = new byte[length];
        await TakeAsync(answer, bytes, stop);
        return bytes;
    }

    private async Task<BlockCallException> RefusalAsync(HttpResponseMessage answer, CancellationToken stop)
    {
        var (code, detail) = ("", $"it answered {(int)answer.StatusCode}");
        if (answer.Content.Headers.ContentLength is > 0 and <= MaxProblemLength and var length)
        {
            var bytes = new byte[length];
            await TakeAsync(answer, bytes, stop);
            (code, detail) = Read(bytes) ?? (code, detail);
        }

        return new BlockCallException(answer.StatusCode, code, $"{source.Server.Authority} refused ({(int)answer.StatusCode}{(code.Length > 0 ? $", {code}" : "")}): {detail}");
    }

    private static (string Code, string Detail)? Read(byte[] problem)
    {
        try
        {
            using var document = JsonDocument.Parse(problem);
            return document.RootElement.TryGetProperty("code", out var code) && document.RootElement.TryGetProperty("detail", out var detail)
                ? (code.GetString() ?? "", detail.GetString() ?? "")
                : null;
        }
        catch (Exception other) when (other is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
