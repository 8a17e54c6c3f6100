using System.Runtime.CompilerServices;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// Follows an operation to its end, whatever happens in between: the stream of events, taken up again where it broke; where no stream can be had, questions;
/// where the server stays away, questions until it is back. It is the operation on the server that counts, so a watcher gives up late.
/// </summary>
internal sealed class Watcher(ImageMgmtHttpClient client, TimeProvider time)
{
    /// <summary>Time without any answer after which watching ends. Default: 15 min: a server's machine may have been restarted.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    /// <summary>Between two questions. Default: 1 s: soon enough for a person, and a light load for a server.</summary>
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    /// <summary>Questions before the stream is tried again, where there was none to be had. Default: 300, five minutes: a try that fails takes one.</summary>
    private const int QuestionsInARow = 300;

    /// <summary>Pictures that come faster than this are passed over; nobody can see them.</summary>
    private static readonly TimeSpan LeastInterval = TimeSpan.FromMilliseconds(100);

    private readonly SortedDictionary<string, TargetResource> targets = new(StringComparer.Ordinal);
    private string? lastEventId;
    private OperationResource? operation;

    /// <param name="id">The operation.</param>
    /// <param name="accepted">As it was accepted; null: ask, and fail when nobody answers.</param>
    /// <param name="everyChange">A picture for each event; else only as many as can be seen.</param>
    /// <param name="cancellationToken">Ends the watch, not the operation.</param>
    public async IAsyncEnumerable<Picture> WatchAsync(string id, OperationResource? accepted, bool everyChange, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        operation = accepted ?? await client.GetOperationAsync(id, cancellationToken);
        var shownAt = time.GetTimestamp() - time.TimestampFrequency;
        while (!operation.IsEnded)
        {
            Exception? broken = null;
            await using var events = client.WatchOperationAsync(id, lastEventId, cancellationToken).GetAsyncEnumerator(cancellationToken);
            while (broken is null)
            {
                try
                {
                    if (!await events.MoveNextAsync())
                    {
                        break;
                    }
                }
                catch (Exception problem) when (IsPassing(problem) && !cancellationToken.IsCancellationRequested)
                {
                    broken = problem;
                    break;
                }

                Apply(events.Current);
                if (everyChange || time.GetElapsedTime(shownAt) >= LeastInterval)
                {
                    shownAt = time.GetTimestamp();
                    yield return Now();
                }
            }

            if (!operation.IsEnded)
            {
                await foreach (var picture in AskAsync(id, broken, cancellationToken))
                {
                    yield return picture;
                }
            }
        }

        await foreach (var picture in FindAgainAsync(id, null, cancellationToken)) // the targets that no event brought
        {
            yield return picture;
        }
    }

    private Picture Now() => new(operation!, [.. targets.Values]);

    private void Apply(OperationEvent change)
    {
        lastEventId = change.Id;
        operation = change.Operation ?? operation;
        if (change.Target is { } target)
        {
            targets[target.Pod] = target;
        }
    }

    /// <summary>Without a stream, questions tell how the operation goes.</summary>
    private async IAsyncEnumerable<Picture> AskAsync(string id, Exception? why, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        lastEventId = null; // what is asked now is newer than what a stream would go on from
        for (var asked = 0; asked < QuestionsInARow && !operation!.IsEnded; asked++)
        {
            await Task.Delay(asked == 0 ? TimeSpan.Zero : PollInterval, time, cancellationToken);
            await foreach (var picture in FindAgainAsync(id, why, cancellationToken))
            {
                yield return picture;
            }
        }
    }

    /// <summary>Asks until the server answers.</summary>
    private async IAsyncEnumerable<Picture> FindAgainAsync(string id, Exception? why, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        while (await TryFetchAsync(id, cancellationToken) is { } problem)
        {
            if (time.GetElapsedTime(since) > Patience)
            {
                throw new CliProblem(ExitCodes.NotReachable, $"The server has not answered for {Patience.TotalMinutes:0} minutes.",
                    $"The operation goes on when the server does. Watch it again with: imgctl watch {id}", inner: why ?? problem);
            }

            yield return Now() with { Note = "the server does not answer; waiting for it to come back" };
            await Task.Delay(PollInterval, time, cancellationToken);
        }

        yield return Now();
    }

    /// <summary>Null when the server answered.</summary>
    private async Task<Exception?> TryFetchAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            await FetchAsync(id, cancellationToken);
            return null;
        }
        catch (Exception problem) when (IsPassing(problem) && !cancellationToken.IsCancellationRequested)
        {
            return problem;
        }
    }

    private async Task FetchAsync(string id, CancellationToken cancellationToken)
    {
        operation = await client.GetOperationAsync(id, cancellationToken);
        await foreach (var target in client.AllTargetsAsync(id, cancellationToken))
        {
            targets[target.Pod] = target;
        }
    }

    private static bool IsPassing(Exception problem) => problem is HttpRequestException or IOException or TimeoutException
        || problem is ProblemException { StatusCode: System.Net.HttpStatusCode.TooManyRequests or >= System.Net.HttpStatusCode.InternalServerError };
}
