using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: a backup of either kind of catalog comes back as either kind, and does not lie about what pods hold. Method: the real commands, two silos at work while the
/// backup is made, life going on after it, copies damaged and lost, and both kinds of service started on what was restored.</summary>
[Collection("servers")]
public sealed class ClusterBackupTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    [Fact, Trait("run", "long")]
    public async Task A_backup_of_a_cluster_at_work_comes_back_in_an_empty_database_and_in_a_data_directory()
    {
        using var carried = new Carried();
        var file = Path.Combine(carried.Root, "monday.imgmt-backup");
        long generation;
        string token;
        await using (var old = new SiloCluster(server))
        {
            var database = await server.CreateDatabaseAsync();
            await old.StartAsync(2, database);
            using var client = old.Client(0);
            token = old.Token;
            await carried.FillAsync(client, "receive:slow=6MB/s");
            await Carried.PublishAsync(client, "1.1", "under-way");
            await Carried.TravellingAsync(client, "under-way");

            var said = await Carried.SucceedAsync(Carried.Command(database, "backup", "--to", file));
            Assert.Contains("It was read back.", said, StringComparison.Ordinal);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            Assert.Contains("overwrites nothing", await Carried.RefusedAsync(Carried.Command(database, "backup", "--to", file)), StringComparison.Ordinal);

            // Life goes on: the publish ends, and pods see a generation that the backup does not know.
            Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, "under-way")).State);
            await Carried.PublishAsync(client, "1.1", "later");
            Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, "later")).State);
            generation = (await client.GetVersionAsync("Win10POS", "1.1", Carried.Stop)).Generation;
            Assert.Contains("holds a catalog already", await Carried.RefusedAsync(Carried.Command(database, "restore", "--from", file)), StringComparison.Ordinal);
        }

        Directory.Delete(Path.GetDirectoryName(carried.FileOf("east", "1.0"))!, recursive: true);
        await RestoreIntoPostgresAsync(carried, file, token, generation);

        // The same file, into a data directory.
        var data = Path.Combine(carried.Root, "restored");
        await Carried.SucceedAsync(ImgmtProcess.Start("restore", "--from", file, "--data", data));
        await using var alone = carried.Serve(data);
        await alone.LineAsync("imgmt is ready");
        using var there = ImageMgmtHttpClient.Create(Carried.AddressIn(data), token);
        await ReconciledAsync(there);
        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(there, "under-way")).State);
        await Carried.PublishAsync(there, "1.1", "alone");
        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(there, "alone")).State);
        carried.AssertCopies(Carried.Targets);
    }

    [Fact]
    public async Task A_backup_of_a_service_without_a_server_comes_back_as_a_cluster()
    {
        using var carried = new Carried();
        var file = Path.Combine(carried.Root, "monday.imgmt-backup");
        string before;
        await using (var alone = carried.Serve())
        {
            await alone.LineAsync("imgmt is ready");
            using var client = carried.ClientOf(carried.Data);
            await carried.FillAsync(client);
            before = await Carried.ListedAsync(client);
            await Carried.SucceedAsync(ImgmtProcess.Start("backup", "--data", carried.Data, "--to", file));
            await alone.TerminateAsync();
        }

        var database = await server.CreateDatabaseAsync();
        Assert.Contains("Restored the backup of", await Carried.SucceedAsync(Carried.Command(database, "restore", "--from", file)), StringComparison.Ordinal);
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(2, database);
        using var here = ImageMgmtHttpClient.Create(cluster.Silos[1].Url, carried.AdministratorToken);
        await ReconciledAsync(here);

        Assert.Equal(before, await Carried.ListedAsync(here));
        await Carried.PublishAsync(here, "1.1", "first");
        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(here, "first")).State);
        carried.AssertCopies(Carried.Targets);
    }

    private async Task RestoreIntoPostgresAsync(Carried carried, string file, string token, long generation)
    {
        var database = await server.CreateDatabaseAsync();
        await Carried.SucceedAsync(Carried.Command(database, "restore", "--from", file));
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(2, database);
        using var client = ImageMgmtHttpClient.Create(cluster.Silos[0].Url, token);
        var found = await ReconciledAsync(client);

        Assert.True(found.Contains("1 lost", StringComparison.Ordinal), found); // the copy whose folder is gone
        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, "under-way")).State); // it was running in the backup, and goes on
        Assert.True((await client.GetVersionAsync("Win10POS", "1.1", Carried.Stop)).Generation > generation);
        while ((await client.GetCopyAsync("Win10POS", "1.0", "east", Carried.Stop)).State != CopyState.Available)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Carried.Stop); // what was lost is made whole
        }

        await Carried.PublishAsync(client, "1.1", "again");
        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(client, "again")).State);
        carried.AssertCopies(Carried.Targets);
    }

    private static async Task<string> ReconciledAsync(ImageMgmtHttpClient client)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var check = (await client.GetServerStatusAsync(Carried.Stop)).Checks.Single(check => check.Name == "restore");
            if (check.Detail!.Contains("all pods were asked", StringComparison.Ordinal))
            {
                return check.Detail;
            }

            Assert.True(TimeProvider.System.GetElapsedTime(started) < Until.Limit, check.Detail);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Carried.Stop);
        }
    }
}
