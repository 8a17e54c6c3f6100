using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Orleans.ImageMgmt.Api;

/// <summary>
/// The API over HTTP, with plain verbs. Every long action returns at once with its operation; no job depends on its caller staying here.
/// Every method throws <see cref="ProblemException"/> when the server refuses, <see cref="HttpRequestException"/> when it cannot be reached, and
/// <see cref="TimeoutException"/> when it does not answer in time.
/// </summary>
public sealed partial class ImageMgmtHttpClient : IDisposable
{
    /// <summary>Longest wait for an answer unless <see cref="AnswerLimit"/> is set. Default: 100 s: a probe of a pod that does not answer is inside.</summary>
    public static readonly TimeSpan DefaultAnswerLimit = TimeSpan.FromSeconds(100);

    /// <summary>Bytes of an answer that is no stream: a page of the largest rows fits many times.</summary>
    private const int AnswerBytes = 64 << 20;

    /// <summary>How often a request that changes nothing when it is repeated is sent again while the server says 503 and when to come back: a silo that has just died
    /// is found out within seconds.</summary>
    private const int BusyRepeats = 3;

    /// <summary>A server that wants to be left alone for longer is not waited for: the caller hears it.</summary>
    private static readonly TimeSpan LongestBusyWait = TimeSpan.FromSeconds(5);

    private readonly HttpClient http;
    private readonly TimeProvider time;
    private readonly bool isOwner;
    private TimeSpan answerLimit = DefaultAnswerLimit;

    /// <summary>Asks through a client that is somebody else's: <see cref="Dispose"/> leaves it alone.</summary>
    /// <param name="http">Has the server's address as its base address, and the token in its default headers. Its time-out must be
    /// <see cref="Timeout.InfiniteTimeSpan"/> for <see cref="WatchOperationAsync"/> and uploads.</param>
    /// <param name="time">The clock for waits between reconnects; null = the system's.</param>
    /// <exception cref="ArgumentException">The client has no base address.</exception>
    public ImageMgmtHttpClient(HttpClient http, TimeProvider? time = null)
        : this(http, time ?? TimeProvider.System, isOwner: false)
    {
    }

    private ImageMgmtHttpClient(HttpClient http, TimeProvider time, bool isOwner)
    {
        (this.http, this.time, this.isOwner) = (http, time, isOwner);
        if (http.BaseAddress is null)
        {
            throw new ArgumentException("The client has no base address.", nameof(http));
        }
    }

    /// <summary>Longest wait for one answer, from the question to the answer's last byte. Streams of events, pieces of an upload and support bundles are not
    /// under it: for them a silence of the server has its own limits.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not more than zero, or more than a day.</exception>
    public TimeSpan AnswerLimit
    {
        get => answerLimit;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(value, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, TimeSpan.FromDays(1));
            answerLimit = value;
        }
    }

    /// <summary>A client with its own connection pool; dispose it to close its connections. It follows no redirects: the token would go along.</summary>
    /// <param name="server">The server's address, such as <c>http://127.0.0.1:7480</c>.</param>
    /// <param name="token">The token, or null for an endpoint that wants none.</param>
    /// <param name="handler">How connections are made; null = the default.</param>
    public static ImageMgmtHttpClient Create(Uri server, string? token, HttpMessageHandler? handler = null)
    {
        var http = new HttpClient(handler ?? new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(15), PooledConnectionLifetime = TimeSpan.FromMinutes(5), AllowAutoRedirect = false })
        {
            BaseAddress = server,
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = AnswerBytes,
        };
        if (token is not null)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return new ImageMgmtHttpClient(http, TimeProvider.System, isOwner: true);
    }

    /// <summary>Closes the connections of a client from <see cref="Create"/>.</summary>
    public void Dispose()
    {
        if (isOwner)
        {
            http.Dispose();
        }
    }

    /// <summary>A new operation id, for callers that want to repeat a request safely.</summary>
    public static string NewOperationId() => Guid.CreateVersion7().ToString("N");

    private async Task<T> GetAsync<T>(string path, CancellationToken cancellationToken) =>
        await SendAsync<T>(HttpMethod.Get, path, null, default, cancellationToken);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, RequestTags tags, CancellationToken cancellationToken)
    {
        using var answer = await AskAsync(method, path, body, tags, cancellationToken);
        await ThrowIfRefusedAsync(answer, cancellationToken);
        return await ReadAsync<T>(answer, cancellationToken);
    }

    private async Task SendAsync(HttpMethod method, string path, object? body, RequestTags tags, CancellationToken cancellationToken)
    {
        using var answer = await AskAsync(method, path, body, tags, cancellationToken);
        await ThrowIfRefusedAsync(answer, cancellationToken);
    }

    /// <summary>Asks, and asks again while the server has no time: only what reads, or carries the key by which the server knows it again.</summary>
    private async Task<HttpResponseMessage> AskAsync(HttpMethod method, string path, object? body, RequestTags tags, CancellationToken cancellationToken)
    {
        for (var repeats = method == HttpMethod.Get || tags.Operation is not null ? BusyRepeats : 0; ; repeats--)
        {
            using var request = Make(method, path, body, tags);
            var answer = await AskAsync(request, cancellationToken);
            if (repeats == 0 || answer.StatusCode != HttpStatusCode.ServiceUnavailable || RetryAfter(answer) is not { } wait || wait > LongestBusyWait)
            {
                return answer;
            }

            answer.Dispose();
            await Task.Delay(wait, time, cancellationToken);
        }
    }

    /// <summary>The whole answer, within the limit; what has come is in memory.</summary>
    private async Task<HttpResponseMessage> AskAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var patience = new Patience(AnswerLimit, time, cancellationToken);
        return await patience.WaitAsync(http.SendAsync(request, HttpCompletionOption.ResponseContentRead, patience.Token));
    }

    private static HttpRequestMessage Make(HttpMethod method, string path, object? body, RequestTags tags)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(Problem.MediaType));
        if (body is not null)
        {
            request.Content = JsonContent.Create(body, body.GetType(), options: ImageMgmtJson.Options);
        }

        if (tags.Operation is not null)
        {
            request.Headers.TryAddWithoutValidation(ApiHeaders.IdempotencyKey, tags.Operation);
        }

        if (tags.IfMatch is not null)
        {
            // A record holds its tag bare, the header wants it in quotes; both are taken.
            request.Headers.TryAddWithoutValidation("If-Match", tags.IfMatch is "*" or ['"', ..] ? tags.IfMatch : $"\"{tags.IfMatch}\"");
        }

        if (tags.IfNoneMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-None-Match", tags.IfNoneMatch);
        }

        return request;
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        try
        {
            return await answer.Content.ReadFromJsonAsync<T>(ImageMgmtJson.Options, cancellationToken)
                ?? throw NotOurs(answer.StatusCode, "The answer is empty.");
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw NotOurs(answer.StatusCode, $"The answer is no {typeof(T).Name}: {problem.Message}");
        }
    }

    private async Task ThrowIfRefusedAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.IsSuccessStatusCode)
        {
            return;
        }

        Problem? problem = null;
        if (answer.Content.Headers.ContentType?.MediaType == Problem.MediaType)
        {
            try
            {
                problem = await answer.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, cancellationToken);
            }
            catch (Exception broken) when (broken is JsonException or InvalidOperationException)
            {
                // Whoever sent that is not our server; said below.
            }
        }

        throw problem is null
            ? NotOurs(answer.StatusCode, $"The server answered {(int)answer.StatusCode} {answer.ReasonPhrase} without a problem document.")
            : new ProblemException(problem, answer.StatusCode, RetryAfter(answer));
    }

    private TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date > time.GetUtcNow() => date - time.GetUtcNow(),
        _ => null,
    };

    /// <summary>Something between the client and the server answered, or the address is another program's.</summary>
    private static ProblemException NotOurs(HttpStatusCode status, string detail) => new(
        new Problem
        {
            Type = Problem.TypePrefix + "client.unexpected-answer",
            Title = "Unexpected answer",
            Status = (int)status,
            Detail = detail,
            Code = "client.unexpected-answer",
            Hint = "Check that the address is that of an ImageMgmt server, that no proxy answers in its place, and that this program is as new as the server.",
        },
        status);

    private static async IAsyncEnumerable<T> AllAsync<T>(Func<PageRequest, CancellationToken, Task<Page<T>>> list, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? cursor = null;
        do
        {
            var page = await list(new PageRequest { Limit = PageRequest.MaxLimit, Cursor = cursor }, cancellationToken);
            foreach (var item in page.Items)
            {
                yield return item;
            }

            // A server that sends the same place again would be asked for ever.
            cursor = page.NextCursor is null || page.NextCursor != cursor ? page.NextCursor : throw NotOurs(HttpStatusCode.OK, "A page of the list names itself as the next one.");
        }
        while (cursor is not null);
    }

    private static string? Word<T>(T? value) where T : struct, Enum =>
        value is { } word ? JsonNamingPolicy.CamelCase.ConvertName(word.ToString()) : null;

    /// <summary>What goes into a request's headers.</summary>
    private readonly record struct RequestTags(string? Operation = null, string? IfMatch = null, string? IfNoneMatch = null);
}
