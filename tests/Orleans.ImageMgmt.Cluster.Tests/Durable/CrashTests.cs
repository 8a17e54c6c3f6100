using System.Globalization;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

public sealed class CrashTests
{
    private const int Kills = 5;

    /// <summary>Acknowledgements read before a kill: a few commits, and each time cut somewhere else.</summary>
    private const int MostLines = 1_500;

    [Fact]
    public async Task Every_acknowledged_write_survives_a_kill_at_any_moment_and_the_lists_agree_with_the_state()
    {
        var path = Path.Combine(Path.GetTempPath(), $"imagemgmt-crash-{Guid.NewGuid():N}");
        var random = new Random(20260102);
        Dictionary<string, int> acknowledged = [];
        try
        {
            for (var kill = 0; kill < Kills; kill++)
            {
                await WriteUntilKilledAsync(path, random.Next(1, MostLines), acknowledged);
                await CheckAsync(path, acknowledged);
            }
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private static async Task WriteUntilKilledAsync(string path, int lines, Dictionary<string, int> acknowledged)
    {
        using var writer = WriterProcess.Start(path);
        for (var n = 0; await writer.StandardOutput.ReadLineAsync(StoreFolder.Token) is { } line; n++)
        {
            if (n == lines)
            {
                writer.Kill();
            }

            // What was printed before the kill arrived counts too; a line that the kill cut in two does not.
            if (line.Split(' ') is [{ Length: 3 } key, { } text] && int.TryParse(text, CultureInfo.InvariantCulture, out var count) && count >= acknowledged.GetValueOrDefault(key))
            {
                acknowledged[key] = count;
            }
        }

        await writer.WaitForExitAsync(StoreFolder.Token);
        Assert.NotEqual(0, writer.ExitCode);
        Assert.NotEmpty(acknowledged);
    }

    private static async Task CheckAsync(string path, Dictionary<string, int> acknowledged)
    {
        await using var folder = new StoreFolder(path: path);
        foreach (var (key, count) in acknowledged)
        {
            var box = (await folder.Rows.ReadAsync($"box/{key}", "s", StoreFolder.Token))!.Load<Box>();
            var twin = (await folder.Rows.ReadAsync($"box/{key}", "twin", StoreFolder.Token))!.Load<Box>();
            var row = await folder.Store.Catalog.FindAsync(CatalogKind.Image, key, StoreFolder.Token);

            Assert.InRange(box.Count, count, int.MaxValue);
            Assert.Equal(box.Count, twin.Count);
            Assert.Equal(box.Project().Cast<Projection.Upsert>().Single().Row, row);
        }
    }
}
