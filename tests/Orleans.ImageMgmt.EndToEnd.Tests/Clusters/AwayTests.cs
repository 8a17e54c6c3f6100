using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: while the database is away, nothing new is accepted and everybody is told so; when it is back, all goes on by itself and nothing acknowledged is lost.
/// Method: two real silos under a load of publishes, a real server that is stopped as an administrator stops it and started again.</summary>
[Collection("servers")]
public sealed class AwayTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private const int Versions = 4;

    /// <summary>Answers that each silo gives while the database is away, before it comes back; whoever asks waits as long as he is told, so that each stands for seconds.
    /// IMGMT_AWAY_REFUSALS asks for more: 60 are some minutes.</summary>
    private static readonly int refusalsAwaited = int.Parse(Environment.GetEnvironmentVariable("IMGMT_AWAY_REFUSALS") ?? "8", CultureInfo.InvariantCulture);

    [Fact, Trait("run", "long")]
    public async Task While_PostgreSQL_is_away_new_work_is_refused_and_afterwards_everything_goes_on_by_itself()
    {
        using var carried = new Carried();
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(2);
        using var client = cluster.Client(0);
        await carried.FillSmallAsync(client, Versions);
        await carried.FillLargeAsync(client, "receive:slow=4MB/s");
        await Carried.PublishAsync(client, "2.0", "through-it");
        await Carried.TravellingAsync(client, "through-it", pods: 1);
        List<HttpClient> doors =
            [.. cluster.Silos.Select(silo => new HttpClient { BaseAddress = silo.Url, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", cluster.Token) } })];
        var (accepted, refused) = (new ConcurrentQueue<string>(), doors.Select(_ => new ConcurrentQueue<HttpStatusCode>()).ToList());
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Carried.Stop);
        var load = doors.Select((door, at) => LoadAsync(door, at, accepted, refused[at], cluster.Silos[at].Process, over.Token)).ToList();
        await Until.TrueAsync(() => accepted.Count > 20, () => $"{accepted.Count} publishes were accepted");

        await server.StopAsync();
        while (!refused.TrueForAll(of => of.Count >= refusalsAwaited))
        {
            Assert.All(load, one => Assert.False(one.IsFaulted, one.Exception?.ToString()));
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Carried.Stop);
        }

        foreach (var door in doors)
        {
            using var ready = await door.GetAsync(Routes.Readiness, Carried.Stop);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
            Assert.Equal("live\n", await door.GetStringAsync(Routes.Liveness, Carried.Stop));
        }

        await server.StartAsync();
        var before = accepted.Count;
        await Until.TrueAsync(() => accepted.Count > before + 20, () => $"{accepted.Count - before} publishes were accepted after it came back");
        await over.CancelAsync();
        await Task.WhenAll(load);

        foreach (var operation in accepted)
        {
            Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, operation)).State);
        }

        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, "through-it")).State);
        carried.AssertLargeCopy("east");
        Assert.All(cluster.Silos, silo => Assert.False(silo.Process.HasEnded, silo.Process.ToString()));
        foreach (var door in doors)
        {
            Assert.Equal("ready\n", await door.GetStringAsync(Routes.Readiness, Carried.Stop));
            door.Dispose();
        }
    }

    /// <summary>One publish after the other at one silo. What was not accepted is asked for again, with the same key.</summary>
    private static async Task LoadAsync(HttpClient door, int at, ConcurrentQueue<string> accepted, ConcurrentQueue<HttpStatusCode> refused, ImgmtProcess silo, CancellationToken over)
    {
        for (var n = 0; !over.IsCancellationRequested;)
        {
            var operation = string.Create(CultureInfo.InvariantCulture, $"load-{at}-{n}");
            using var request = new HttpRequestMessage(HttpMethod.Post, Routes.Fill(Routes.VersionPublish, Carried.Image, Carried.SmallVersion(n % Versions)));
            request.Headers.Add(ApiHeaders.IdempotencyKey, operation);
            using var answer = await door.SendAsync(request, Carried.Stop);
            if (answer.StatusCode == HttpStatusCode.Accepted)
            {
                accepted.Enqueue(operation);
                n++;
                continue;
            }

            var text = await answer.Content.ReadAsStringAsync(Carried.Stop);
            Assert.True(answer.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests, $"{answer.StatusCode}: {text}\n{silo}");
            Assert.Equal(Problem.MediaType, answer.Content.Headers.ContentType?.MediaType);
            Assert.True(answer.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1), text);
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                refused.Enqueue(answer.StatusCode);
            }

            await Task.Delay(answer.Headers.RetryAfter.Delta.Value, TimeProvider.System, Carried.Stop);
        }
    }
}
