using System.IO.Compression;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Formats;

/// <summary>Goal: a program reads what an older one has stored, and goes on with what that had begun. Method: the database of a service of schema 1, committed as it was
/// left: two versions, one of them disabled, four simulated pods, and a publish of which one copy is not there yet. Both stores hold the same records.</summary>
public sealed class OldStateTests
{
    [Fact]
    public async Task A_database_of_the_first_release_is_taken_over_and_its_work_goes_on()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var data = Directory.CreateDirectory(Path.Combine(root, "data"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        await UnpackAsync(data, "store.db");
        await UnpackAsync(data, "reminders.db");
        await using (var reset = ImgmtProgram.Start("token", "reset", "--data", data)) // the old token is in no repository
        {
            Assert.True(await reset.ExitAsync() == 0, reset.Output);
        }

        await using var server = await DoorsHost.StartInAsync(root, ownsRoot: true);
        var client = ImageMgmtHttpClient.Create(server.Address, server.AdministratorToken);

        var versions = (await client.ListVersionsAsync("Win10POS", cancellationToken: DoorsHost.Stop)).Items;
        Assert.Equal(["1.0", "1.1"], versions.Select(version => version.Version).Order());
        Assert.Equal(VersionStatus.Disabled, versions.Single(version => version.Version == "1.0").Status);
        Assert.Contains(versions.Single(version => version.Version == "1.1").Status, (VersionStatus[])[VersionStatus.Replicating, VersionStatus.PartiallyAvailable]); // its last pod is tried again at once
        Assert.Equal(["east", "head-office", "north", "west"], (await client.ListPodsAsync(cancellationToken: DoorsHost.Stop)).Items.Select(pod => pod.Name).Order());
        Assert.Equal(4, (await client.ListReceiptsAsync("Win10POS", "1.0", cancellationToken: DoorsHost.Stop)).Items.Count);
        Assert.Contains("watcher", (await client.ListTokensAsync(cancellationToken: DoorsHost.Stop)).Items.Select(token => token.Name));
        Assert.Contains((await client.ListActivityAsync(cancellationToken: DoorsHost.Stop)).Items, line => line.Reason == "patch day");

        // Simulated pods keep bytes in memory, so the open copy has no source any more: the publish is taken up, finds that, and ends; new work goes through on the old records.
        await Until.TrueAsync(async () => (await client.GetOperationAsync("publish-11", DoorsHost.Stop)).State == OperationState.PartiallySucceeded, "the publish that the old program began ends");
        Assert.Equal(3, (await client.GetOperationAsync("publish-11", DoorsHost.Stop)).Targets!.All);
        await Until.TrueAsync(async () => (await client.GetVersionAsync("Win10POS", "1.1", DoorsHost.Stop)).Status == VersionStatus.PartiallyAvailable, "its version hears of that");
        await client.ImportAsync("Win10POS", new ImportRequest { Pod = "head-office", Source = "golden", Version = "1.2", From = "1.1" }, "import-12", DoorsHost.Stop);
        await Until.TrueAsync(async () => (await client.GetOperationAsync("import-12", DoorsHost.Stop)).State == OperationState.Succeeded, "a version is imported");
        await client.PublishAsync("Win10POS", "1.2", new PublishRequest { Pods = ["east", "north"] }, "publish-12", cancellationToken: DoorsHost.Stop);
        await Until.TrueAsync(async () => (await client.GetOperationAsync("publish-12", DoorsHost.Stop)).State == OperationState.Succeeded, "and published");
    }

    private static async Task UnpackAsync(string data, string name)
    {
        await using var packed = File.OpenRead(Path.Combine(Sources.Root, "tests", "Orleans.ImageMgmt.Doors.Tests", "Formats", "State-1", name + ".gz"));
        await using var plain = new GZipStream(packed, CompressionMode.Decompress);
        await using var file = File.Create(Path.Combine(data, name));
        await plain.CopyToAsync(file, DoorsHost.Stop);
    }
}
