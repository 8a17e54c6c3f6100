using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Gives Orleans connections that sync each commit: that setting lives in the connection, not in the connection string.</summary>
internal sealed class DatabaseSource(DatabaseFile file) : DbDataSource
{
    public override string ConnectionString => file.ConnectionString;

    protected override DbConnection CreateDbConnection() => new Synced(file);

    private sealed class Synced(DatabaseFile file) : SqliteConnection(file.ConnectionString)
    {
        public override void Open()
        {
            base.Open();
            file.Prepare(this);
        }
    }
}
