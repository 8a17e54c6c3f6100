using System.Net;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>Reconnects in a row that brought nothing before a watch gives up. Default: 10.</summary>
    public const int ReconnectLimit = 10;

    private const string EventStream = "text/event-stream";

    private static readonly TimeSpan FirstReconnect = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestReconnect = TimeSpan.FromSeconds(10);

    /// <summary>A stream that says nothing for this long, not even that it is alive, is taken for broken.</summary>
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(60);

    /// <summary>One page of operations, newest first.</summary>
    public Task<Page<OperationResource>> ListOperationsAsync(OperationFilter? filter = null, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<OperationResource>>(new QueryText(Routes.Operations).Add("state", Word(filter?.State)).Add("kind", Word(filter?.Kind)).Add("image", filter?.Image)
            .Add("sort", filter is { Ascending: true } ? "createdAt" : null).Add(page).ToString(), cancellationToken);

    /// <summary>All operations that the filter lets through, newest first, page after page.</summary>
    public IAsyncEnumerable<OperationResource> AllOperationsAsync(OperationFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListOperationsAsync(filter, page, stop), cancellationToken);

    /// <summary>One operation, with the progress of what runs. <c>operation.unknown</c> when there is none.</summary>
    public Task<OperationResource> GetOperationAsync(string operation, CancellationToken cancellationToken = default) =>
        GetAsync<OperationResource>(Routes.Fill(Routes.Operation, operation), cancellationToken);

    /// <summary>One page of an operation's targets, by pod.</summary>
    public Task<Page<TargetResource>> ListTargetsAsync(string operation, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<TargetResource>>(new QueryText(Routes.Fill(Routes.OperationTargets, operation)).Add(page).ToString(), cancellationToken);

    /// <summary>All targets of an operation, by pod, page after page.</summary>
    public IAsyncEnumerable<TargetResource> AllTargetsAsync(string operation, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListTargetsAsync(operation, page, stop), cancellationToken);

    /// <summary>Stops what has not finished; keeps copies that are available.</summary>
    public Task<OperationResource> CancelOperationAsync(string operation, string? reason = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.OperationCancel, operation), new ActionRequest { Reason = reason }, default, cancellationToken);

    /// <summary>Begins nothing new until it is resumed.</summary>
    public Task<OperationResource> PauseOperationAsync(string operation, string? reason = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.OperationPause, operation), new ActionRequest { Reason = reason }, default, cancellationToken);

    /// <summary>Lets a paused operation go on; one that runs is answered as it is.</summary>
    public Task<OperationResource> ResumeOperationAsync(string operation, string? reason = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.OperationResume, operation), new ActionRequest { Reason = reason }, default, cancellationToken);

    /// <summary>Tries again what failed: everything, or one pod.</summary>
    public Task<OperationResource> RetryOperationAsync(string operation, RetryRequest? request = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResource>(HttpMethod.Post, Routes.Fill(Routes.OperationRetry, operation), request ?? new RetryRequest(), default, cancellationToken);

    /// <summary>One page of the activity log, newest first.</summary>
    public Task<Page<ActivityResource>> ListActivityAsync(ActivityFilter? filter = null, PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<ActivityResource>>(new QueryText(Routes.Activity).Add("image", filter?.Image).Add("pod", filter?.Pod).Add("operation", filter?.Operation).Add(page).ToString(), cancellationToken);

    /// <summary>The activity log, newest first, page after page: as much of it as is asked for.</summary>
    public IAsyncEnumerable<ActivityResource> AllActivityAsync(ActivityFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((page, stop) => ListActivityAsync(filter, page, stop), cancellationToken);

    /// <summary>
    /// What changes about an operation, from how it stands now to its end. A broken connection is taken up again where it broke; the stream ends
    /// with the event <see cref="OperationEvent.EndName"/>.
    /// </summary>
    /// <param name="operation">Which.</param>
    /// <param name="lastEventId">Go on after this event; null = from how it stands now.</param>
    /// <param name="cancellationToken">Ends the watch, not the operation.</param>
    public async IAsyncEnumerable<OperationEvent> WatchOperationAsync(
        string operation, string? lastEventId = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var asked = TimeSpan.Zero;
        for (var failures = 0; ; failures++)
        {
            if (failures > ReconnectLimit)
            {
                throw new HttpRequestException($"The events of operation {operation} ended {ReconnectLimit} times without one of them.");
            }

            if (failures > 0)
            {
                await Task.Delay(WaitAfter(failures, asked), time, cancellationToken);
            }

            asked = TimeSpan.Zero;
            await using var events = StreamAsync(operation, lastEventId, cancellationToken).GetAsyncEnumerator(cancellationToken);
            while (await NextAsync(events, failures, wait => asked = wait, cancellationToken))
            {
                failures = 0;
                lastEventId = events.Current.Id;
                yield return events.Current;
                if (events.Current.Name == OperationEvent.EndName)
                {
                    yield break;
                }
            }
        }
    }

    /// <summary>Whether there is an event; false when the stream broke and may be taken up again.</summary>
    private static async Task<bool> NextAsync(IAsyncEnumerator<OperationEvent> events, int failures, Action<TimeSpan> askedToWait, CancellationToken cancellationToken)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (Exception broken) when (IsPassing(broken) && failures < ReconnectLimit && !cancellationToken.IsCancellationRequested)
        {
            askedToWait(AskedBy(broken));
            return false;
        }
    }

    private static bool IsPassing(Exception problem) => problem is HttpRequestException or IOException or TimeoutException
        || problem is ProblemException { StatusCode: HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable or HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout };

    /// <summary>How long the server asked to be left alone.</summary>
    private static TimeSpan AskedBy(Exception broken) => (broken as ProblemException)?.RetryAfter ?? TimeSpan.Zero;

    /// <summary>The wait before the next try: doubled each time, and at least what the server asked for, where that is bearable.</summary>
    private static TimeSpan WaitAfter(int failures, TimeSpan asked)
    {
        var own = FirstReconnect * Math.Pow(2, failures - 1);
        own = own < LongestReconnect ? own : LongestReconnect;
        return asked <= own ? own : asked < SilenceLimit ? asked : SilenceLimit;
    }

    private async IAsyncEnumerable<OperationEvent> StreamAsync(string operation, string? lastEventId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = Make(HttpMethod.Get, Routes.Fill(Routes.OperationEvents, operation), null, default);
        request.Headers.Accept.Clear();
        request.Headers.TryAddWithoutValidation("Accept", $"{EventStream}, {Problem.MediaType}");
        if (lastEventId is not null)
        {
            request.Headers.TryAddWithoutValidation(ApiHeaders.LastEventId, lastEventId);
        }

        using var patience = new Patience(SilenceLimit, time, cancellationToken);
        using var answer = await patience.WaitAsync(http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token));
        await ThrowIfRefusedAsync(answer, patience.Token);
        if (answer.Content.Headers.ContentType?.MediaType != EventStream)
        {
            throw NotOurs(answer.StatusCode, $"The answer is {answer.Content.Headers.ContentType?.MediaType ?? "of no kind"} where a stream of events was asked for.");
        }

        await using var body = await answer.Content.ReadAsStreamAsync(patience.Token);
        await using var items = SseParser.Create(body, Parse).EnumerateAsync(patience.Token).GetAsyncEnumerator(patience.Token);
        while (await patience.WaitAsync(items.MoveNextAsync().AsTask()))
        {
            patience.Heard();
            if (items.Current is { Data: { } data, EventId: { } id })
            {
                yield return data with { Id = id };
            }
        }
    }

    /// <summary>Null for events that this client does not know, such as the sign of life.</summary>
    private static OperationEvent? Parse(string name, ReadOnlySpan<byte> json)
    {
        try
        {
            return name switch
            {
                OperationEvent.OperationName or OperationEvent.EndName =>
                    new OperationEvent { Id = "", Name = name, Operation = JsonSerializer.Deserialize<OperationResource>(json, ImageMgmtJson.Options) },
                OperationEvent.TargetName => new OperationEvent { Id = "", Name = name, Target = JsonSerializer.Deserialize<TargetResource>(json, ImageMgmtJson.Options) },
                _ => null,
            };
        }
        catch (JsonException problem)
        {
            throw NotOurs(HttpStatusCode.OK, $"The event {name} is none of this API: {problem.Message}");
        }
    }
}
