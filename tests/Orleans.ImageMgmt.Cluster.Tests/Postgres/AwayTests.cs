using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Serialization;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Postgres;

/// <summary>A silo asks another one for a grain whose store is away: the answer has to get through.</summary>
public sealed class AwayTests
{
    [Fact]
    public void That_PostgreSQL_is_away_can_be_said_to_another_silo()
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        var away = PostgresErrors.Explain("PostgreSQL at db1", new NpgsqlException("Failed to connect to db1", new IOException("Connection refused")));

        var heard = serializer.Deserialize<Exception>(serializer.SerializeToArray<Exception>(away));

        var store = Assert.IsType<StoreUnavailableException>(heard);
        Assert.Equal(StoreUnavailableException.InputOutput, store.Code);
        Assert.Equal(away.Message, store.Message);
        Assert.Contains("Connection refused", store.InnerException!.Message, StringComparison.Ordinal);
    }
}
