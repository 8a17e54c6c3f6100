using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: a thousand publish requests at once fell nobody, keep nobody from reading, and none that was accepted is lost; those over a limit are told so, and when to come back.
/// Method: the real program, alone and as two silos on a real PostgreSQL server, with the limits that it has by default.</summary>
[Collection("servers")]
public sealed class StormTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private const int Requests = 1_000;

    /// <summary>Enough to be refused at both silos.</summary>
    private const int ClusterRequests = 400;
    private const int Versions = 40;

    /// <summary>What a process may need at most, in KiB: several times what it needs when it rests.</summary>
    private const long MemoryLimit = 1 << 20;

    [Fact]
    public async Task A_service_alone_stands_a_storm_of_publishes()
    {
        using var carried = new Carried();
        await using var alone = carried.Serve();
        await alone.LineAsync("imgmt is ready");

        await StormAsync(carried, carried.AdministratorToken, [Carried.AddressIn(carried.Data)], [alone.Id], Requests);
    }

    [Fact, Trait("run", "long")]
    public async Task Two_silos_stand_a_storm_of_publishes()
    {
        using var carried = new Carried();
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(2);

        await StormAsync(carried, cluster.Token, [.. cluster.Silos.Select(silo => silo.Url)], [.. cluster.Silos.Select(silo => silo.Process.Id)], ClusterRequests);
    }

    private static async Task StormAsync(Carried carried, string token, IReadOnlyList<Uri> servers, IReadOnlyList<int> processes, int requests)
    {
        using var client = ImageMgmtHttpClient.Create(servers[0], token);
        await carried.FillSmallAsync(client, Versions);
        var reader = (await client.CreateTokenAsync(new CreateTokenRequest { Name = "reader", Role = Role.Viewer }, Carried.Stop)).Token;
        var (doors, windows) = (Doors(servers, token), Doors(servers, reader));
        var refusals = new ConcurrentBag<string>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Carried.Stop);

        var reading = ReadAsync(windows, over.Token);
        await Task.WhenAll(Enumerable.Range(0, requests).Select(n => PublishAsync(doors[n % doors.Count], n, refusals)));
        await over.CancelAsync();
        var reads = await reading;

        Assert.True(reads >= 10, $"Only {reads} reads were answered during the storm.");
        Assert.Contains("limit.changes", refusals);
        foreach (var n in Enumerable.Range(0, requests))
        {
            Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, Operation(n))).State);
        }

        Assert.All(processes, process => Assert.InRange(PeakKibibytes(process), 1, MemoryLimit));
        doors.Concat(windows).ToList().ForEach(door => door.Dispose());
        TestContext.Current.SendDiagnosticMessage("{0} reads during the storm; refused {1}; peak {2} KiB", reads,
            string.Join(", ", refusals.CountBy(code => code).Select(code => $"{code.Key} {code.Value}")), string.Join(", ", processes.Select(PeakKibibytes)));
    }

    private static List<HttpClient> Doors(IReadOnlyList<Uri> servers, string token) =>
        [.. servers.Select(url => new HttpClient { BaseAddress = url, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", token) } })];

    /// <summary>Asks until it is accepted, as a good client does: with the same key, and not before it may.</summary>
    private static async Task PublishAsync(HttpClient door, int n, ConcurrentBag<string> refusals)
    {
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Routes.Fill(Routes.VersionPublish, Carried.Image, Carried.SmallVersion(n % Versions)));
            request.Headers.Add(ApiHeaders.IdempotencyKey, Operation(n));
            using var answer = await door.SendAsync(request, Carried.Stop);
            if (answer.StatusCode == HttpStatusCode.Accepted)
            {
                Assert.Equal(Operation(n), (await answer.Content.ReadFromJsonAsync<OperationResource>(ImageMgmtJson.Options, Carried.Stop))!.Id);
                return;
            }

            var text = await answer.Content.ReadAsStringAsync(Carried.Stop);
            Assert.True(answer.StatusCode == HttpStatusCode.TooManyRequests && answer.Content.Headers.ContentType?.MediaType == Problem.MediaType, $"{answer.StatusCode}: {text}");
            var problem = System.Text.Json.JsonSerializer.Deserialize<Problem>(text, ImageMgmtJson.Options)!;
            refusals.Add(problem.Code);
            Assert.True(answer.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1), text);
            await Task.Delay(answer.Headers.RetryAfter.Delta.Value, TimeProvider.System, Carried.Stop);
        }
    }

    /// <summary>Reads one thing after the other until the storm is over; every read has to be answered.</summary>
    private static async Task<int> ReadAsync(IReadOnlyList<HttpClient> doors, CancellationToken over)
    {
        for (var n = 0; ; n++)
        {
            using var answer = await doors[n % doors.Count].GetAsync(n % 3 == 0 ? Routes.Images : n % 3 == 1 ? Routes.Operations : Routes.Pods, Carried.Stop);
            if (over.IsCancellationRequested)
            {
                return n;
            }

            Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync(Carried.Stop)}");
        }
    }

    private static string Operation(int n) => string.Create(CultureInfo.InvariantCulture, $"storm-{n}");

    private static long PeakKibibytes(int process) => long.Parse(
        File.ReadLines($"/proc/{process}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
