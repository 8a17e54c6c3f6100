using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Testing;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>Goal: lists and state cannot drift apart. Method: a process that changes the records of 32 pods, killed again and again at a moment of chance; then
/// every row of every list is compared with what the state says, and every acknowledged change is looked for.</summary>
public sealed class ListsAfterKillTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private const int Kills = 4;

    /// <summary>Acknowledgements read before a kill: from the first ones to many commits.</summary>
    private const int MostLines = 2_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whenever_a_process_that_changes_pods_is_killed_every_list_row_is_what_the_state_says(bool isShared)
    {
        var folder = Directory.CreateTempSubdirectory("imagemgmt-lists-");
        var database = isShared ? await server.CreateDatabaseAsync() : "";
        var random = new Random(20261130);
        Dictionary<(string Pod, string Version), long> acknowledged = [];
        var compared = 0;
        try
        {
            for (var kill = 0; kill < Kills; kill++)
            {
                await ChangeUntilKilledAsync(folder.FullName, database, random.Next(1, MostLines), acknowledged);
                await using var store = await PodWriterProcess.OpenAsync(folder.FullName, database);
                compared = await ListAudit.EqualAsync(store);
                await FindAsync(store, acknowledged);
            }

            Assert.InRange(compared, 65, int.MaxValue); // all pods, and more than one copy of each
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task ChangeUntilKilledAsync(string folder, string database, int lines, Dictionary<(string Pod, string Version), long> acknowledged)
    {
        using var writer = PodWriterProcess.Start(folder, database);
        for (var n = 0; await writer.StandardOutput.ReadLineAsync(StoreFolder.Token) is { } line; n++)
        {
            if (n == lines)
            {
                writer.Kill();
            }

            if (line.Split(' ') is [{ Length: 6 } pod, { Length: 3 } version, var text] && long.TryParse(text, CultureInfo.InvariantCulture, out var revision) && revision > acknowledged.GetValueOrDefault((pod, version)))
            {
                acknowledged[(pod, version)] = revision;
            }
        }

        await writer.WaitForExitAsync(StoreFolder.Token);
        Assert.NotEmpty(acknowledged);
    }

    private static async Task FindAsync(SiloStore store, Dictionary<(string Pod, string Version), long> acknowledged)
    {
        await using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var storage = new GroupCommitGrainStorage(store.Rows, services.GetRequiredService<IActivatorProvider>());
        foreach (var pod in acknowledged.GroupBy(known => known.Key.Pod))
        {
            var records = new PodRecords(storage, GrainId.Create("pod", pod.Key), new PodName(pod.Key));
            await records.ReadAsync();
            foreach (var ((_, version), revision) in pod)
            {
                Assert.InRange((await records.GetAsync(new VersionId(new ImageName("golden"), new VersionName(version)))).Revision, revision, long.MaxValue);
            }
        }
    }
}
