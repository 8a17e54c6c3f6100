using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>
/// Goal: a backup taken in the middle of a publish is one point in time from which everything goes on. Method: the real server in a process of its
/// own, a backup while bytes travel, SIGKILL, the backup restored elsewhere, and the bytes of every pod audited at the end.
/// </summary>
public sealed class BackupUnderLoadTests
{
    private const int Mebibytes = 48;

    private static readonly string[] Targets = ["a", "b", "c"];

    private static readonly VersionId Version = new(new ImageName("win"), new VersionName("1.0"));

    [Fact]
    public async Task A_backup_under_a_running_publish_goes_on_after_a_kill_in_another_directory()
    {
        using var root = new TemporaryFolder();
        var plan = WritePlan(root.Path);
        string made;
        await using (var first = ServerProcess.Start(Path.Combine(root.Path, "data"), ["ImageMgmt:EnsureInterval=200ms"], "--plan", plan))
        {
            await first.ReadyAsync();
            await UpkeepServer.UntilAsync(() => Task.FromResult(Targets.Any(pod => Directory.Exists(Path.Combine(Library(root.Path, pod), ".staging", "win@1.0")))), $"nothing is on its way.\n{first}");

            using var answer = await first.Http.PostAsJsonAsync(Routes.Backups, new BackupRequest { Name = "under-way" }, UpkeepServer.Stop);
            Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(UpkeepServer.Stop));
            made = (await answer.Content.ReadFromJsonAsync<BackupResource>(ImageMgmtJson.Options, UpkeepServer.Stop))!.Path;
            await first.KillAsync();
        }

        Assert.Contains(Targets, pod => !File.Exists(FileOf(root.Path, pod)));
        await RestoreCommand.RestoreAsync(made, Path.Combine(root.Path, "restored"), UpkeepServer.By, TimeProvider.System, UpkeepServer.Stop);
        await using var server = await UpkeepServer.StartInAsync(root.Path, "restored");

        await UpkeepServer.UntilAsync(async () => (await server.Client.GetVersionAsync(Version)).Status == Orleans.ImageMgmt.Domain.VersionStatus.Available, "the publish did not go on");
        var source = await DigestAsync(Path.Combine(root.Path, "sources", "win.raw"));
        foreach (var pod in Targets)
        {
            Assert.Equal(source, await DigestAsync(FileOf(root.Path, pod)));
            Assert.Equal(Orleans.ImageMgmt.Domain.CopyState.Available, (await server.Client.GetCopyAsync(new PodName(pod), Version)).Copy.State);
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Library(root.Path, pod), ".staging")));
        }

        await foreach (var view in server.Client.WatchPublishAsync(PlanRunner.OperationFor("publish", Version), UpkeepServer.Stop))
        {
            Assert.True(!view.Publish.State.IsEnded() || view.Publish.State == Orleans.ImageMgmt.Domain.OperationState.Succeeded, $"The publish is {view.Publish.State}.");
        }
    }

    /// <summary>Three slow pods: the backup finds all of them at work.</summary>
    private static string WritePlan(string root)
    {
        Directory.CreateDirectory(Path.Combine(root, "sources"));
        var bytes = new byte[Mebibytes << 20];
        new Random(7).NextBytes(bytes);
        File.WriteAllBytes(Path.Combine(root, "sources", "win.raw"), bytes);
        var pods = new List<object> { new { name = "source", settings = new Dictionary<string, string> { ["datastore.ds"] = Folder("source"), ["sources"] = Path.Combine(root, "sources") } } };
        pods.AddRange(Targets.Select(pod => new { name = pod, settings = new Dictionary<string, string> { ["datastore.ds"] = Folder(pod), ["fault-plan"] = "receive:slow=16MB/s" } }));
        var plan = Path.Combine(root, "plan.json");
        File.WriteAllText(plan, JsonSerializer.Serialize(new { pods, imports = new[] { new { image = "win", version = "1.0", pod = "source", source = "win.raw", publish = true } } }));
        return plan;

        string Folder(string pod) => Directory.CreateDirectory(Path.Combine(root, "pods", pod)).FullName;
    }

    private static string Library(string root, string pod) => Path.Combine(root, "pods", pod, "content-library");

    private static string FileOf(string root, string pod) => Path.Combine(Library(root, pod), "win", "1.0", "disk.raw");

    private static async Task<string> DigestAsync(string file)
    {
        await using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, UpkeepServer.Stop));
    }
}
