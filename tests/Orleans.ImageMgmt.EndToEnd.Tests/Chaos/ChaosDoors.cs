using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>What one of the silos said, in the end.</summary>
/// <param name="Value">The answer, unless it was refused.</param>
/// <param name="Refused">The code of the refusal.</param>
/// <param name="Unanswered">Tries before it that nobody answered.</param>
internal sealed record Answer<T>(T? Value, string? Refused, int Unanswered) where T : class
{
    public T Done => Value ?? throw new InvalidOperationException($"It was refused: {Refused}.");
}

/// <summary>The doors of all silos, for a caller as it should be: who gets no answer asks again elsewhere, with the same idempotency key.</summary>
internal sealed class ChaosDoors(SiloCluster cluster, string token, CancellationToken stop) : IDisposable
{
    /// <summary>Longer than all silos may be gone at once, with PostgreSQL.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>A silo that hangs costs a caller this much.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentDictionary<Uri, ImageMgmtHttpClient> clients = new();
    private int next;
    private int unanswered;
    private int answered;

    /// <summary>Requests that were answered.</summary>
    public int Answered => Volatile.Read(ref answered);

    /// <summary>Requests that nobody answered: the connection broke, or the answer was that it may or may not have been done.</summary>
    public int Unanswered => Volatile.Read(ref unanswered);

    /// <summary>What silos answered, other than refusals of the request itself, with how often.</summary>
    public ConcurrentDictionary<string, int> Troubles { get; } = new();

    public async Task<Answer<T>> AskAsync<T>(Func<ImageMgmtHttpClient, CancellationToken, Task<T>> ask) where T : class
    {
        var began = TimeProvider.System.GetTimestamp();
        for (var failed = 0; ; failed++)
        {
            try
            {
                var value = await ask(Client(), stop);
                Interlocked.Increment(ref answered);
                return new Answer<T>(value, null, failed);
            }
            catch (ProblemException refusal) when (IsRefusal(refusal))
            {
                return new Answer<T>(null, refusal.Code, failed);
            }
            catch (Exception problem) when (problem is ProblemException or HttpRequestException or TimeoutException or IOException or JsonException or KeyNotFoundException)
            {
                Interlocked.Increment(ref unanswered);
                Troubles.AddOrUpdate(problem is ProblemException answered ? $"{(int)answered.StatusCode} {answered.Code}" : problem.GetType().Name, 1, (_, count) => count + 1);
                Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, $"No silo answered within {Patience.TotalMinutes} minutes; the last said: {problem.Message}");
            }

            await Task.Delay(AskAgain, TimeProvider.System, stop);
        }
    }

    public void Dispose()
    {
        foreach (var client in clients.Values)
        {
            client.Dispose();
        }
    }

    private ImageMgmtHttpClient Client()
    {
        var silo = cluster.Silos[(int)((uint)Interlocked.Increment(ref next) % (uint)cluster.Silos.Count)];
        return clients.GetOrAdd(silo.Url, url =>
        {
            var client = ImageMgmtHttpClient.Create(url, token);
            client.AnswerLimit = AnswerLimit;
            return client;
        });
    }

    /// <summary>Said about the request, and not about the moment.</summary>
    private static bool IsRefusal(ProblemException problem) => (int)problem.StatusCode is >= 400 and < 500 && problem.Code != "client.unexpected-answer"
        && problem.StatusCode is not HttpStatusCode.RequestTimeout and not HttpStatusCode.TooManyRequests;
}
