using System.IO.Compression;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: a bundle tells a stranger what they need and gives away no secret. Method: plant secrets everywhere and look for them in every entry.</summary>
public sealed class SupportBundleTests
{
    private const string Planted = "planted5ecret";

    /// <summary>A token that stands alone, as in a path.</summary>
    private const string Planted4 = "imgmt_QmFzZTY0dXJsQmFzZTY0dXJsQmFzZTY0dXJsQmFzZTY";

    [Fact]
    public async Task A_bundle_holds_version_configuration_status_operations_machine_and_log_and_no_planted_secret()
    {
        await using var server = await UpkeepServer.StartAsync("Store:BatchRows=2000");
        await server.ConnectAsync("source", ("fault-plan", "receive:slow=64MB/s"), ("fault-seed", "424242"));
        var log = server.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Orleans.ImageMgmt.Test");
#pragma warning disable CA1848, CA2254 // A line as careless code would write it.
        log.LogWarning($"Authorization: Bearer {Planted}1 was refused; password={Planted}2 \"token\": \"{Planted}3\"");
        log.LogWarning($"There is nothing at /{Planted4}, and at the end of a long line: {new string('x', 4_000)} {Planted4}");
        log.LogWarning("An ordinary line");
#pragma warning restore CA1848, CA2254

        await using var zip = new ZipArchive(new MemoryStream(await server.Http.GetByteArrayAsync(Routes.SupportBundle, UpkeepServer.Stop)));

        var entries = new Dictionary<string, string>();
        foreach (var entry in zip.Entries)
        {
            using var reader = new StreamReader(await entry.OpenAsync(UpkeepServer.Stop));
            entries[entry.FullName] = await reader.ReadToEndAsync(UpkeepServer.Stop);
        }

        Assert.Equal(["configuration.json", "log.txt", "machine.json", "metrics.txt", "operations.json", "pods.json", "status.json", "version.json"], entries.Keys.Order(StringComparer.Ordinal));
        Assert.Contains("An ordinary line", entries["log.txt"], StringComparison.Ordinal);
        Assert.Contains("Bearer (hidden) was refused", entries["log.txt"], StringComparison.Ordinal);
        Assert.Contains("\"value\": \"2000\"", entries["configuration.json"], StringComparison.Ordinal);
        Assert.Contains("\"source\"", entries["pods.json"], StringComparison.Ordinal);
        Assert.Contains("dataFileSystem", entries["machine.json"], StringComparison.Ordinal);
        string[] secrets = [Planted, "424242", Planted4[..20], .. Secrets(server)];
        Assert.All(entries, entry => Assert.All(secrets, secret => Assert.False(entry.Value.Contains(secret, StringComparison.Ordinal), $"{entry.Key} gives a secret away.")));
    }

    /// <summary>The administrator's token, where the server has made one, and the keys of its trust.</summary>
    private static IEnumerable<string> Secrets(UpkeepServer server) =>
        Directory.EnumerateFiles(Path.Combine(server.Root, "data"), "*.token").Concat(Directory.EnumerateFiles(Path.Combine(server.Root, "data"), "*.pem", SearchOption.AllDirectories))
            .SelectMany(File.ReadAllLines).Select(line => line.Trim()).Where(line => line.Length >= 16 && !line.StartsWith('-'));
}
