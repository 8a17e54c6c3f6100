using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Crashes;

/// <summary>The flow of the matrix: two imports, a publish to eight pods and one to two, and the deletion of the version that eight pods hold. What it
/// leaves, catalog and bytes, does not depend on what went wrong on the way.</summary>
internal sealed class CrashFlow(CrashWorld world)
{
    private const int Pods = 8;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    private static readonly RequestedBy By = new("ada", "test", "because");
    private static readonly ImageName Image = new("Win10POS");
    private static readonly VersionId First = new(Image, VersionName.First);
    private static readonly VersionId Second = new(Image, new VersionName("1.1"));
    private static readonly PodName Source = new("source");
    private static readonly PodName[] Targets = [.. Enumerable.Range(1, Pods).Select(n => new PodName(string.Create(CultureInfo.InvariantCulture, $"pod-{n}")))];
    private static readonly Dictionary<string, string> NoLabels = [];

    /// <summary>What may differ between two runs that end the same: when, at which try, and how many bytes had to travel again.</summary>
    private static readonly HashSet<string> Incidental = new(StringComparer.OrdinalIgnoreCase)
    {
        "createdAt", "changedAt", "endedAt", "beganAt", "verifiedAt", "probedAt", "since", "attempt", "tries", "revision", "bytesSent", "bytesReadBack", "bytesPerSecond",
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Pods, connected. Not part of what is counted.</summary>
    public async Task PrepareAsync()
    {
        await ConnectAsync(Source, new() { ["source.one"] = "length=3MiB,data=2MiB,seed=7", ["source.two"] = "length=2MiB,data=1MiB,seed=8" });
        foreach (var pod in Targets)
        {
            await ConnectAsync(pod, []);
        }
    }

    /// <summary>From the first request to the end of the last operation.</summary>
    public async Task RunAsync()
    {
        await world.AskAsync(client => client.ImportAsync(Import("import-1", First, "one", null), Token));
        await EndsAsync("import-1");
        await world.AskAsync(client => client.PublishAsync(First, Publish("publish-1", Targets), Token));
        await EndsAsync("publish-1");
        await world.AskAsync(client => client.ImportAsync(Import("import-2", Second, "two", First.Version), Token));
        await EndsAsync("import-2");
        await world.AskAsync(client => client.PublishAsync(Second, Publish("publish-2", Targets[..2]), Token));
        await EndsAsync("publish-2");
        await world.AskAsync(client => client.DeleteVersionAsync(First, new OperationId("delete-1"), By, cancellationToken: Token));
        await EndsAsync("delete-1");
    }

    /// <summary>The catalog and the pods as one text, without what may differ.</summary>
    public async Task<string> PictureAsync()
    {
        var text = new StringBuilder();
        foreach (var kind in Enum.GetValues<CatalogKind>())
        {
            await foreach (var row in world.Catalog.AllAsync(kind, Token))
            {
                text.AppendLine(CultureInfo.InvariantCulture,
                    $"{kind} {row.Key} {row.Status} {row.Family} {row.Image} {row.Version} {row.Pod} {(row.Unfinished ? "unfinished" : "")} {Essence(JsonNode.Parse(row.Body))}");
            }
        }

        foreach (var pod in Targets.Prepend(Source))
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"on {pod}: {await HoldingsAsync(pod)}");
        }

        return text.ToString();
    }

    /// <summary>Waits until the picture is the expected one; a last time, to see that it stays.</summary>
    public async Task EndsAsAsync(string expected, string what)
    {
        var picture = "";
        await UntilAsync(async () => (picture = await PictureAsync()) == expected, () => $"{what}.\n{Difference(expected, picture)}");
        Assert.True(await PictureAsync() == expected, $"{what}: the end did not stay");
    }

    /// <summary>The picture once it stands still.</summary>
    public async Task<string> SettledAsync()
    {
        var (before, same) = ("", 0);
        await UntilAsync(
            async () =>
            {
                var now = await PictureAsync();
                same = now == before ? same + 1 : 0;
                before = now;
                return same == 20;
            },
            () => "the dry run does not come to rest");
        return before;
    }

    private async Task EndsAsync(string operation)
    {
        string? state = null;
        await UntilAsync(
            async () =>
            {
                var row = await world.Catalog.FindAsync(CatalogKind.Operation, operation, Token);
                state = row?.Status;
                return row is { Unfinished: false };
            },
            () => $"{operation} is {state ?? "unknown"}");
        Assert.True(state == nameof(OperationState.Succeeded), $"{operation} is {state}");
    }

    private async Task UntilAsync(Func<Task<bool>> holds, Func<string> what)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!await holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Limit, $"Not within {Limit.TotalSeconds:0} s: {what()}");
            await Task.Delay(Look, TimeProvider.System, Token);
            await world.ReviveAsync();
        }
    }

    private async Task ConnectAsync(PodName name, Dictionary<string, string> settings)
    {
        await world.AskAsync(client => client.ConnectPodAsync(new PodSpec(name, CrashingPods.Name, settings, NoLabels, Slots: 4), By, cancellationToken: Token));
        await world.AskAsync(client => client.WaitForPodAsync(name, Token));
    }

    private async Task<string> HoldingsAsync(PodName pod)
    {
        var made = (ConnectorResult<IPodConnector>.Done)world.Pods.Create(new PodSpec(pod, "simulated", new Dictionary<string, string>(), NoLabels, 1));
        var page = (ConnectorResult<InventoryPage>.Done)await made.Value.InventoryAsync(null, Limits.PageRows, Token);
        List<string> held = [];
        foreach (var entry in page.Value.Entries)
        {
            held.Add($"{entry.Version} {(entry.Final ? await DigestAsync(made.Value, entry.Version) : "staged")}");
        }

        return string.Join(", ", held);
    }

    private static async Task<string> DigestAsync(IPodConnector connector, VersionId version)
    {
        if (await connector.OpenAsync(version, Token) is not ConnectorResult<Content.IContentReader>.Done(var reader))
        {
            return "cannot be opened";
        }

        await using (reader)
        {
            var bytes = new byte[reader.Manifest.Length];
            await reader.ReadAsync(0, bytes, Token);
            return Convert.ToHexStringLower(SHA256.HashData(bytes));
        }
    }

    private static string Essence(JsonNode? node)
    {
        Strip(node);
        return node?.ToJsonString() ?? "";
    }

    private static void Strip(JsonNode? node)
    {
        if (node is JsonObject record)
        {
            foreach (var name in record.Select(p => p.Key).Where(Incidental.Contains).ToList())
            {
                record.Remove(name);
            }

            record.Select(p => p.Value).ToList().ForEach(Strip);
        }
        else if (node is JsonArray list)
        {
            list.ToList().ForEach(Strip);
        }
    }

    private static string Difference(string expected, string found)
    {
        var (wanted, seen) = (expected.Split('\n'), found.Split('\n'));
        return string.Join('\n', wanted.Except(seen).Select(line => $"- {line}").Concat(seen.Except(wanted).Select(line => $"+ {line}")));
    }

    private static Client.ImportRequest Import(string operation, VersionId version, string disk, VersionName? from) =>
        new(new OperationId(operation), version.Image, version.Version, from, Source, new SourceRef(disk), "", By);

    private static Client.PublishRequest Publish(string operation, IReadOnlyList<PodName> pods) => new(new OperationId(operation), pods, NoLabels, By);
}
