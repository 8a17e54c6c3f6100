using Microsoft.Data.Sqlite;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>Goal: a newer program brings an older database along, and leaves the way back beside it. Method: today's database is the old one, and a
/// step that only these tests know comes after its own.</summary>
public sealed class UpgradeTests : IAsyncLifetime
{
    private const string AddColumn = "ALTER TABLE activity ADD COLUMN reason TEXT";

    private readonly StoreFolder folder = new();

    private string Database => Path.Combine(folder.Path, "store.db");

    private string Kept => $"{Database}.schema-{StoreSchema.Newest}.bak";

    public async ValueTask InitializeAsync()
    {
        await DurableStoreTests.WriteAsync(folder, "a");
        await folder.Store.DisposeAsync();
    }

    public ValueTask DisposeAsync() => folder.DisposeAsync();

    [Fact]
    public async Task The_old_database_is_kept_beside_the_upgraded_one_and_opens_in_the_old_program()
    {
        Upgrade(AddColumn);

        Assert.Equal(StoreSchema.Newest + 1, DatabaseSnapshot.Check(Database));
        Assert.Equal("1", Ask(Database, "SELECT count(*) FROM pragma_table_info('activity') WHERE name = 'reason'"));
        Assert.Equal("1", Ask(Database, "SELECT count(*) FROM state"));
        Assert.Equal(StoreSchema.Newest, DatabaseSnapshot.Check(Kept));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Kept));
        Assert.Equal(["store.db", $"store.db.schema-{StoreSchema.Newest}.bak"], Directory.GetFiles(folder.Path, "store.db*").Select(Path.GetFileName).Order(StringComparer.Ordinal));

        // The way back: the kept file under the old name.
        File.Move(Kept, Database, overwrite: true);
        await folder.ReopenAsync();
        Assert.NotNull(await folder.Rows.ReadAsync("box/a", "s", StoreFolder.Token));
    }

    [Fact]
    public void A_step_that_fails_changes_nothing_and_the_next_start_can_try_again()
    {
        Assert.Throws<SqliteException>(() => Upgrade(AddColumn, "CREATE TABLE state (oops TEXT) STRICT"));
        Assert.Equal(StoreSchema.Newest, DatabaseSnapshot.Check(Database));
        Assert.Equal("0", Ask(Database, "SELECT count(*) FROM pragma_table_info('activity') WHERE name = 'reason'"));

        Upgrade(AddColumn);

        Assert.Equal(StoreSchema.Newest + 1, DatabaseSnapshot.Check(Database));
        Assert.Equal(StoreSchema.Newest, DatabaseSnapshot.Check(Kept));
    }

    [Fact]
    public async Task Neither_a_new_database_nor_one_of_today_is_copied()
    {
        await folder.ReopenAsync();

        Assert.Empty(Directory.GetFiles(folder.Path, "*.bak*"));
    }

    private void Upgrade(params string[] furtherSteps)
    {
        using var connection = new DatabaseFile(Database, new DurableOptions()).OpenWriter();
        StoreSchema.Install(connection, Database, DateTimeOffset.UnixEpoch, [.. StoreSchema.Known, .. furtherSteps]);
        DatabaseFile.Run(connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    private static string? Ask(string path, string sql)
    {
        using var connection = new DatabaseFile(path, new DurableOptions()).OpenReader();
        return DatabaseFile.Text(connection, sql);
    }
}
