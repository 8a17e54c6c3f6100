using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>A catalog that goes from one kind of store to another: a service without a database server, pods in folders, and what may not change on the way.</summary>
internal sealed class Carried : IDisposable
{
    public const string Image = "Win10POS";
    private const int Mebibytes = 24;

    public static readonly string[] Targets = ["east", "west", "north"];

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public string Root { get; } = Directory.CreateTempSubdirectory("imgmt-carried-").FullName;

    public string Data => Path.Combine(Root, "data");

    public string Digest { get; private set; } = "";

    public string AdministratorToken => File.ReadAllText(Path.Combine(Data, "administrator.token")).Trim();

    public ImgmtProcess Serve(string? data = null) => ImgmtProcess.Start("serve", "--data", data ?? Data);

    public static ImgmtProcess Command(string database, params IEnumerable<string> arguments) =>
        ImgmtProcess.Start([.. arguments, "--set", $"Cluster:ConnectionString={database}"]);

    public static async Task<string> SucceedAsync(ImgmtProcess command)
    {
        await using (command)
        {
            Assert.True(await command.ExitAsync() == 0, command.ToString());
            return string.Join('\n', command.Lines);
        }
    }

    /// <summary>Exit code 2 and one sentence.</summary>
    public static async Task<string> RefusedAsync(ImgmtProcess command)
    {
        await using (command)
        {
            Assert.True(await command.ExitAsync() == 2, command.ToString());
            return Assert.Single(command.Errors);
        }
    }

    public ImageMgmtHttpClient ClientOf(string data) => ImageMgmtHttpClient.Create(AddressIn(data), AdministratorToken);

    public static Uri AddressIn(string data)
    {
        using var note = System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(data, "endpoint.json")));
        return new Uri(note.RootElement.GetProperty("url").GetString()!);
    }

    /// <summary>Pods, a version that is on all of them, a second one, and a token.</summary>
    /// <returns>The text of the token.</returns>
    public async Task<string> FillAsync(ImageMgmtHttpClient client, string? faultPlan = null)
    {
        var sources = Directory.CreateDirectory(Path.Combine(Root, "sources")).FullName;
        var bytes = new byte[Mebibytes << 20];
        new Random(Mebibytes).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(sources, "golden.raw"), bytes, Stop);
        await File.WriteAllBytesAsync(Path.Combine(sources, "small.raw"), bytes[..(2 << 20)], Stop);
        Digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
        await client.ConnectPodAsync("head-office", Pod("head-office", ("sources", sources)), cancellationToken: Stop);
        foreach (var pod in Targets)
        {
            await client.ConnectPodAsync(pod, faultPlan is null ? Pod(pod) : Pod(pod, ("fault-plan", faultPlan)), cancellationToken: Stop);
        }

        await ImportAsync(client, "1.0", "small.raw");
        await client.PublishAsync(Image, "1.0", operation: "publish-first", cancellationToken: Stop);
        Assert.Equal(OperationState.Succeeded, (await EndAsync(client, "publish-first")).State);
        await ImportAsync(client, "1.1", "golden.raw");
        return (await client.CreateTokenAsync(new CreateTokenRequest { Name = "console", Role = Role.Viewer }, Stop)).Token;
    }

    /// <summary>Many versions of a few bytes, and pods for them.</summary>
    public async Task FillSmallAsync(ImageMgmtHttpClient client, int versions)
    {
        var sources = Directory.CreateDirectory(Path.Combine(Root, "sources")).FullName;
        await File.WriteAllBytesAsync(Path.Combine(sources, "small.raw"), new byte[64 << 10], Stop);
        await client.ConnectPodAsync("head-office", Pod("head-office", ("sources", sources)), cancellationToken: Stop);
        await client.ConnectPodAsync("east", Pod("east"), cancellationToken: Stop);
        for (var n = 0; n < versions; n++)
        {
            await client.ImportAsync(
                Image, new ImportRequest { Pod = "head-office", Source = "small.raw", Version = SmallVersion(n), From = n == 0 ? null : SmallVersion(0) }, $"import-{n}", Stop);
            Assert.Equal(OperationState.Succeeded, (await EndAsync(client, $"import-{n}")).State);
        }
    }

    /// <summary>A version of some size, and a pod that takes its time.</summary>
    public async Task FillLargeAsync(ImageMgmtHttpClient client, string faultPlan)
    {
        var bytes = new byte[Mebibytes << 20];
        new Random(Mebibytes).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(Root, "sources", "large.raw"), bytes, Stop);
        Digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
        await client.ConnectPodAsync("east", Pod("east", ("fault-plan", faultPlan)), cancellationToken: Stop);
        await client.ImportAsync(Image, new ImportRequest { Pod = "head-office", Source = "large.raw", Version = "2.0", From = SmallVersion(0) }, "import-large", Stop);
        Assert.Equal(OperationState.Succeeded, (await EndAsync(client, "import-large")).State);
    }

    public void AssertLargeCopy(string pod) => Assert.Equal(Digest, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(FileOf(pod, "2.0")))));

    public static string SmallVersion(int n) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"1.{n}");

    public static async Task ImportAsync(ImageMgmtHttpClient client, string version, string source)
    {
        await client.ImportAsync(Image, new ImportRequest { Pod = "head-office", Source = source, Version = version, From = version == "1.0" ? null : "1.0" }, $"import-{version.Replace('.', '-')}", Stop);
        Assert.Equal(OperationState.Succeeded, (await EndAsync(client, $"import-{version.Replace('.', '-')}")).State);
    }

    public static Task<OperationResource> PublishAsync(ImageMgmtHttpClient client, string version, string operation) =>
        client.PublishAsync(Image, version, operation: operation, cancellationToken: Stop);

    /// <summary>Until bytes travel to as many pods.</summary>
    public static async Task TravellingAsync(ImageMgmtHttpClient client, string operation, int pods = 2)
    {
        while ((await client.ListTargetsAsync(operation, cancellationToken: Stop)).Items.Count(target => target is { State: CopyState.Replicating, Progress.SentBytes: > 0 }) < pods)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Stop);
        }
    }

    public static async Task<OperationResource> EndAsync(ImageMgmtHttpClient client, string operation)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            if (await client.GetOperationAsync(operation, Stop) is { State: OperationState.Succeeded or OperationState.Failed or OperationState.PartiallySucceeded or OperationState.Cancelled } ended)
            {
                return ended;
            }

            Assert.True(TimeProvider.System.GetElapsedTime(started) < Until.Limit, $"operation {operation} does not end");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Stop);
        }
    }

    /// <summary>What lists say of everything that has ended, as text, so that a difference shows.</summary>
    public static async Task<string> ListedAsync(ImageMgmtHttpClient client)
    {
        List<string> lines = [];
        await foreach (var pod in client.AllPodsAsync(cancellationToken: Stop))
        {
            lines.Add($"pod {pod.Name} {pod.Family} {pod.Slots} {string.Join(',', pod.Settings.Select(s => $"{s.Key}={s.Value}").Order(StringComparer.Ordinal))}");
        }

        await foreach (var version in client.AllVersionsAsync(Image, cancellationToken: Stop))
        {
            lines.Add($"version {version.Version} of {version.CreatedAt:O}");
        }

        await foreach (var copy in client.AllCopiesAsync(Image, "1.0", cancellationToken: Stop))
        {
            lines.Add($"copy {copy.Pod} {copy.State}");
        }

        await foreach (var receipt in client.AllReceiptsAsync(Image, "1.0", Stop))
        {
            lines.Add($"receipt {receipt.Pod} {receipt.ContentDigest} {receipt.VerifiedAt:O}");
        }

        await foreach (var operation in client.AllOperationsAsync(cancellationToken: Stop))
        {
            lines.Add($"operation {operation.Id} of {operation.CreatedAt:O}");
        }

        await foreach (var token in client.AllTokensAsync(Stop))
        {
            lines.Add($"token {token.Name} {token.Role} {token.CreatedAt:O}");
        }

        return string.Join('\n', lines);
    }

    public void AssertCopies(params IEnumerable<string> pods)
    {
        foreach (var pod in pods)
        {
            var library = Path.Combine(Folder(pod), "content-library");
            Assert.Equal(Digest, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(FileOf(pod, "1.1")))));
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(library, ".staging")));
        }
    }

    public string FileOf(string pod, string version) => Path.Combine(Folder(pod), "content-library", Image, version, "disk.raw");

    /// <summary>The stored bytes of the catalog in the data directory. A reader that was killed may leave an empty log behind.</summary>
    public string Sum() => string.Join(' ', new[] { "store.db", "store.db-wal", "reminders.db", "reminders.db-wal" }.Select(name => Path.Combine(Data, name))
        .Select(file => new FileInfo(file) is { Exists: true, Length: > 0 } ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))) : "none"));

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private string Folder(string pod) => Path.Combine(Root, "pods", pod);

    private ConnectPodRequest Pod(string name, params IEnumerable<(string Key, string Value)> settings) => new()
    {
        Family = "filesystem",
        Settings = new Dictionary<string, string>(settings.Select(setting => KeyValuePair.Create(setting.Key, setting.Value))) { ["datastore.ds"] = Directory.CreateDirectory(Folder(name)).FullName },
    };
}
