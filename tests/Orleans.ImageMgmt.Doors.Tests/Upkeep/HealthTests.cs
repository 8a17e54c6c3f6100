using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: a supervisor and a load balancer can tell a live process from a ready one, and a person is told why it is not ready.</summary>
public sealed class HealthTests
{
    [Fact]
    public async Task A_server_that_has_started_is_live_and_ready_and_says_which_program_it_is()
    {
        await using var server = await UpkeepServer.StartAsync();
        using var nobody = new HttpClient { BaseAddress = server.Address };

        Assert.Equal(HttpStatusCode.OK, (await nobody.GetAsync(Routes.Liveness, UpkeepServer.Stop)).StatusCode);
        Assert.Equal("ready\n", await server.Http.GetStringAsync(Routes.Readiness, UpkeepServer.Stop));
        await UpkeepServer.UntilAsync(async () => (await server.Http.GetAsync(Routes.Startup, UpkeepServer.Stop)).IsSuccessStatusCode, "it has not started.");
        Assert.Equal("started\n", await server.Http.GetStringAsync(Routes.Startup, UpkeepServer.Stop));
        var version = await server.Http.GetFromJsonAsync<ServerVersion>(Routes.ServerVersion, UpkeepServer.Stop);
        Assert.Matches(@"^\d+\.\d+\.\d+$", version!.Version);
        Assert.Equal(("ImageMgmt", "v1"), (version.Product, version.Api));
    }

    [Fact]
    public async Task A_store_that_cannot_be_written_makes_the_service_unready_with_the_reason_and_the_process_stays_live()
    {
        await using var server = await UpkeepServer.StartAsync("Store:BusyRetries=0", "Store:BusyTimeout=1s");
        await using (var other = new SqliteConnection($"Data Source={Path.Combine(server.Root, "data", "store.db")};Pooling=False"))
        {
            await other.OpenAsync(UpkeepServer.Stop);
            await using var take = other.CreateCommand();
            take.CommandText = "BEGIN IMMEDIATE";
            await take.ExecuteNonQueryAsync(UpkeepServer.Stop);

            using var answer = await server.Http.GetAsync(Routes.Readiness, UpkeepServer.Stop);

            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
            var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(UpkeepServer.Stop);
            Assert.Equal("store.busy", problem.GetProperty("code").GetString());
            Assert.Equal("urn:imgmt:problem:store.busy", problem.GetProperty("type").GetString());
            Assert.Contains("Another program holds a lock", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync(Routes.Liveness, UpkeepServer.Stop)).StatusCode);
        }

        Assert.Equal("ready\n", await server.Http.GetStringAsync(Routes.Readiness, UpkeepServer.Stop));
    }

    [Fact]
    public async Task A_server_that_was_asked_to_end_is_not_ready()
    {
        await using var server = await UpkeepServer.StartAsync();
        var readiness = server.Services.GetRequiredService<Host.Readiness>();
        Assert.Null(await readiness.WhyNotAsync(UpkeepServer.Stop));

        server.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        Assert.Equal("service.stopping", (await readiness.WhyNotAsync(UpkeepServer.Stop))?.Code);
    }

    [Fact]
    public async Task A_start_is_over_only_when_what_was_unfinished_has_been_taken_up_and_stays_over()
    {
        await using var server = await UpkeepServer.StartAsync();
        var services = server.Services;
        var progress = new StartProgress();
        var readiness = new Host.Readiness(services.GetRequiredService<IHostApplicationLifetime>(), services.GetRequiredService<Host.Departure>(), services.GetRequiredService<Host.ISeat>(), services.GetRequiredService<SiloStore>(), progress);
        Assert.Null(await readiness.WhyNotAsync(UpkeepServer.Stop));
        Assert.Equal("service.resuming", (await readiness.WhyNotStartedAsync(UpkeepServer.Stop))?.Code);

        progress.HasResumed = true;
        Assert.Null(await readiness.WhyNotStartedAsync(UpkeepServer.Stop));
        services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        Assert.Equal("service.stopping", (await readiness.WhyNotAsync(UpkeepServer.Stop))?.Code);
        Assert.Null(await readiness.WhyNotStartedAsync(UpkeepServer.Stop));
    }
}
