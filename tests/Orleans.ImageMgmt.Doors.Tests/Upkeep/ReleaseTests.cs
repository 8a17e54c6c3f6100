using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>
/// Goal: the release archive runs where there is no .NET at all. Method: make it, unpack it, install it into a folder, and run both programs with an
/// environment that holds neither DOTNET_ROOT nor a PATH to any program.
/// </summary>
public sealed class ReleaseTests
{
    /// <summary>Two self-contained publishes on a machine that is busy with other tests.</summary>
    private static readonly TimeSpan MakeLimit = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task The_archive_installs_into_a_folder_and_its_programs_run_without_any_dotnet()
    {
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")!, ["HOME"] = Environment.GetEnvironmentVariable("HOME") ?? folder.Path, ["READY_TO_RUN"] = "false" };

        var made = await Programs.RunAsync("bash", [Path.Combine(Sources.Root, "eng", "release.sh"), folder.Path], environment, MakeLimit);
        Assert.True(made.Code == 0, made.Output);
        var archive = Assert.Single(Directory.GetFiles(folder.Path, "imgmt-*-linux-x64.tar.gz"));
        Assert.Equal(0, (await Programs.RunAsync("tar", ["-xzf", archive, "-C", folder.Path])).Code);
        var unpacked = archive[..^".tar.gz".Length];
        string[] promised = ["imgmt", "imgctl", "LICENSE", "README.md", "THIRD-PARTY-NOTICES.txt", "SHA256SUMS", "install.sh", "silo-config/reference.json", "systemd/imgmt.service"];
        Assert.All(promised, file => Assert.True(File.Exists(Path.Combine(unpacked, file)), $"{file} is missing."));
        Assert.Contains("Microsoft.Orleans.Server 10.4.2  MIT", await File.ReadAllTextAsync(Path.Combine(unpacked, "THIRD-PARTY-NOTICES.txt"), UpkeepServer.Stop), StringComparison.Ordinal);

        var prefix = Path.Combine(folder.Path, "installed");
        foreach (var time in (string[])["first", "again"])
        {
            var installed = await Programs.RunAsync("bash", [Path.Combine(unpacked, "install.sh"), "--prefix", prefix]);
            Assert.True(installed.Code == 0, $"{time}: {installed.Output}");
        }

        await AssertRunsAsync(folder.Path, prefix);
        await AssertRefusesAsync(unpacked, folder.Path);
        Assert.Equal(0, (await Programs.RunAsync("bash", [Path.Combine(unpacked, "install.sh"), "--uninstall", "--prefix", prefix])).Code);
        Assert.False(Directory.Exists(prefix));
    }

    private static async Task AssertRunsAsync(string root, string prefix)
    {
        var bare = new Dictionary<string, string> { ["HOME"] = root, ["PATH"] = Directory.CreateDirectory(Path.Combine(root, "no-programs")).FullName, ["IMGMT_DATA"] = Path.Combine(root, "data") };
        await using var server = ServerProcess.Start(Path.Combine(prefix, "imgmt"), [], Path.Combine(root, "data"), [], [], start =>
        {
            start.Environment.Clear();
            foreach (var (name, value) in bare)
            {
                start.Environment[name] = value;
            }
        });
        await server.ReadyAsync();

        var status = await Programs.RunAsync(Path.Combine(prefix, "imgctl"), ["status"], bare);

        Assert.True(status.Code == 0, status.Output);
        Assert.Contains(server.Http.BaseAddress!.GetLeftPart(UriPartial.Authority), status.Output, StringComparison.Ordinal);
        await server.TerminateAsync();
    }

    /// <summary>What is not the release is not installed, and what is not ours is not overwritten or removed.</summary>
    private static async Task AssertRefusesAsync(string unpacked, string root)
    {
        var other = Directory.CreateDirectory(Path.Combine(root, "other")).FullName;
        await File.WriteAllTextAsync(Path.Combine(other, "mine.txt"), "mine", UpkeepServer.Stop);
        foreach (var arguments in (string[][])[["--prefix", other], ["--uninstall", "--prefix", other], ["--prefix", "/"], ["--what"]])
        {
            var refused = await Programs.RunAsync("bash", [Path.Combine(unpacked, "install.sh"), .. arguments]);
            Assert.Equal(2, refused.Code);
        }

        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(other, "mine.txt"), UpkeepServer.Stop));
        await File.AppendAllTextAsync(Path.Combine(unpacked, "LICENSE"), "changed", UpkeepServer.Stop);
        var changed = await Programs.RunAsync("bash", [Path.Combine(unpacked, "install.sh"), "--prefix", Path.Combine(root, "new")]);
        Assert.Equal(2, changed.Code);
        Assert.Contains("not those of the release", changed.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(root, "new")));
    }
}
