using Npgsql;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: a catalog that outgrows one machine goes to PostgreSQL whole, and goes on there. Method: the real program, a service killed in the middle of a publish, a real
/// server with fsync on, the move killed at each of its steps.</summary>
[Collection("servers")]
public sealed class MoveTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_service_killed_in_the_middle_of_a_publish_moves_and_silos_finish_it()
    {
        using var carried = new Carried();
        string before, token;
        await using (var alone = carried.Serve())
        {
            await alone.LineAsync("imgmt is ready");
            using var client = carried.ClientOf(carried.Data);
            token = await carried.FillAsync(client, "receive:slow=6MB/s");
            await Carried.PublishAsync(client, "1.1", "under-way");
            await Carried.TravellingAsync(client, "under-way");
            before = await Carried.ListedAsync(client);

            var busy = await Carried.RefusedAsync(Carried.Command(await server.CreateDatabaseAsync(), "move-to-postgres", "--data", carried.Data));
            Assert.Contains($"in use by process {alone.Id}", busy, StringComparison.Ordinal);
            await alone.KillAsync();
        }

        var database = await server.CreateDatabaseAsync();
        var said = await Carried.SucceedAsync(Carried.Command(database, "move-to-postgres", "--data", carried.Data));
        Assert.Contains($"Moved {carried.Data} to PostgreSQL at 127.0.0.1", said, StringComparison.Ordinal);
        await using var cluster = new SiloCluster(server);
        await cluster.StartAsync(2, database);
        using var here = ImageMgmtHttpClient.Create(cluster.Silos[0].Url, carried.AdministratorToken);
        using var there = ImageMgmtHttpClient.Create(cluster.Silos[1].Url, token);

        Assert.Equal(OperationState.Succeeded, (await Carried.EndAsync(there, "under-way")).State);
        carried.AssertCopies(Carried.Targets);
        Assert.Equal(before, await Carried.ListedAsync(here));
        Assert.Equal("under-way", (await Carried.PublishAsync(here, "1.1", "under-way")).Id); // the same key, the same operation
        Assert.Equal(VersionStatus.Available, (await there.GetVersionAsync("Win10POS", "1.1", Carried.Stop)).Status);
        Assert.Contains((await here.ListActivityAsync(cancellationToken: Carried.Stop)).Items, line => line.Action == "service.moved");

        foreach (var refused in (ImgmtProcess[])[carried.Serve(), ImgmtProcess.Start("backup", "--data", carried.Data, "--to", Path.Combine(carried.Root, "b.imgmt-backup"))])
        {
            Assert.Contains($"The catalog of {carried.Data} has moved to PostgreSQL at 127.0.0.1", await Carried.RefusedAsync(refused), StringComparison.Ordinal);
        }
    }

    [Fact, Trait("run", "long")]
    public async Task A_move_that_is_killed_at_any_of_its_steps_is_repeated_to_the_same_end()
    {
        using var carried = new Carried();
        await FillAsync(carried);
        var untouched = carried.Sum();
        var database = await server.CreateDatabaseAsync();
        var whole = Sums(await Carried.SucceedAsync(Carried.Command(database, "move-to-postgres", "--data", carried.Data)));
        Assert.True(whole.Count == 4 && whole.Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture)) > 20, string.Join('\n', whole));
        var rows = await DumpAsync(database);
        var mark = Path.Combine(carried.Data, "moved-to-postgres.json");
        foreach (var step in (string[])["copied", "state:", "activity:", "read back", "committing"])
        {
            File.Delete(mark);
            var target = await server.CreateDatabaseAsync();
            await using (var cut = Carried.Command(target, "move-to-postgres", "--data", carried.Data))
            {
                await cut.LineAsync(carried.Data); // it holds the folder
                await cut.LineAsync(step);
                await cut.KillAsync();
            }

            Assert.Equal(whole, Sums(await Carried.SucceedAsync(Carried.Command(target, "move-to-postgres", "--data", carried.Data))));

            Assert.Equal(rows, await DumpAsync(target));
            Assert.Equal(untouched, carried.Sum());
            Assert.True(File.Exists(mark), $"after {step}");
            Assert.False(Directory.Exists(Path.Combine(carried.Data, ".moving")), $"after {step}");
        }

        // Cut after the commit, before the note: the database knows whose catalog it has.
        File.Delete(mark);
        Assert.Contains("was moved already", await Carried.SucceedAsync(Carried.Command(database, "move-to-postgres", "--data", carried.Data)), StringComparison.Ordinal);
        Assert.True(File.Exists(mark));
    }

    [Fact]
    public async Task A_move_refuses_what_it_must_not_touch_with_a_sentence()
    {
        using var carried = new Carried();
        await FillAsync(carried);
        var full = await server.CreateDatabaseAsync();
        await Carried.SucceedAsync(Carried.Command(full, "move-to-postgres", "--data", carried.Data));
        using var other = new Carried();
        await FillAsync(other);
        var newer = await server.CreateDatabaseAsync();
        await PostgresServer.ExecuteAsync(newer, "CREATE SCHEMA imgmt; CREATE TABLE imgmt.schema_version (version integer PRIMARY KEY, installed bigint NOT NULL); INSERT INTO imgmt.schema_version VALUES (1000, 0)");

        Assert.Contains("holds a catalog already, which was moved there from", await Carried.RefusedAsync(Carried.Command(full, "move-to-postgres", "--data", other.Data)), StringComparison.Ordinal);
        Assert.Contains("has schema 1000", await Carried.RefusedAsync(Carried.Command(newer, "move-to-postgres", "--data", other.Data)), StringComparison.Ordinal);
        Assert.Contains("There is no catalog in", await Carried.RefusedAsync(Carried.Command(full, "move-to-postgres", "--data", Path.Combine(other.Root, "nothing"))), StringComparison.Ordinal);
        Assert.Contains("No database is named", await Carried.RefusedAsync(ImgmtProcess.Start("move-to-postgres", "--data", other.Data)), StringComparison.Ordinal);
        await using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(other.Data, "store.db")};Pooling=False"))
        {
            await connection.OpenAsync(Carried.Stop);
            await using var command = connection.CreateCommand();
            command.CommandText = "INSERT INTO schema_version VALUES (1000, 0)";
            await command.ExecuteNonQueryAsync(Carried.Stop);
        }

        var old = await Carried.RefusedAsync(Carried.Command(await server.CreateDatabaseAsync(), "move-to-postgres", "--data", other.Data));
        Assert.Contains("has schema 1000", old, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(other.Data, "moved-to-postgres.json")));
        Assert.False(Directory.Exists(Path.Combine(other.Root, "nothing")));
    }

    private static async Task FillAsync(Carried carried)
    {
        await using var alone = carried.Serve();
        await alone.LineAsync("imgmt is ready");
        using var client = carried.ClientOf(carried.Data);
        await carried.FillAsync(client);
        await alone.TerminateAsync();
    }

    private static List<string> Sums(string said) => [.. said.Split('\n').Where(line => line.Contains(" rows  sha256 ", StringComparison.Ordinal))];

    /// <summary>Everything that the database holds, but the record of the move itself.</summary>
    private static async Task<string> DumpAsync(string database)
    {
        await using var connection = new NpgsqlConnection(database + ";Search Path=imgmt;Pooling=false");
        await connection.OpenAsync(Carried.Stop);
        await using var command = new NpgsqlCommand(
            """
            SELECT (SELECT string_agg(s::text, E'\n' ORDER BY s.key, s.name) FROM state s WHERE s.name <> 'moved')
                || (SELECT string_agg(c::text, E'\n' ORDER BY c.kind, c.key) FROM catalog c)
                || (SELECT string_agg(a::text, E'\n' ORDER BY a.number) FROM activity a WHERE a.action <> 'service.moved')
                || (SELECT coalesce(string_agg(r::text, E'\n' ORDER BY r.grain, r.name), 'no reminders') FROM reminder r)
                || (SELECT count(*) FROM state) || (SELECT count(*) FROM activity)
            """,
            connection);
        return (string)(await command.ExecuteScalarAsync(Carried.Stop))!;
    }
}
