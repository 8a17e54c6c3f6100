namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: names come from the server with the tab key, tokens travel as files, and what the operator needs is at hand.</summary>
public sealed class NamesAndFilesTests(Estate estate) : IClassFixture<Estate>
{
    private Shell Shell => estate.Shell;

    [Fact]
    public async Task A_disk_from_this_machine_is_uploaded_and_imported()
    {
        await estate.ConnectHeadOfficeAsync();
        var sha256 = Server.MakeDisk(Path.Combine(Shell.Home, "mine", "own.raw"), 3);
        var sent = (await Shell.ImgctlAsync("upload", Path.Combine(Shell.Home, "mine", "own.raw"), "--pod", "head-office")).With(0);
        Assert.Equal("own.raw is on head-office: 11.0 MiB.", sent.Only);
        Assert.Contains("imgctl import IMAGE VERSION --pod head-office --source own.raw --wait", sent.Error, StringComparison.Ordinal);
        (await Shell.ImgctlAsync("import", "Own", "--pod", "head-office", "--source", "own.raw", "--sha256", sha256, "--wait")).With(0);
    }

    [Fact]
    public async Task An_upload_goes_on_where_it_stood_and_only_to_its_own_pod()
    {
        await estate.ConnectHeadOfficeAsync();
        var path = Path.Combine(Shell.Home, "mine too", "second.raw");
        var sha256 = Server.MakeDisk(path, 2);
        using var client = Server.Client(Shell);
        var begun = await client.BeginUploadAsync("head-office", new() { Name = "second.raw", LengthBytes = new FileInfo(path).Length, Sha256 = sha256 });
        await client.SendUploadPieceAsync(begun.Id, 0, new MemoryStream(File.ReadAllBytes(path)[..(1 << 20)]));

        var elsewhere = (await Shell.ImgctlAsync("upload", path, "--pod", "branch-1", "--resume", begun.Id)).With(ExitCodes.Usage);
        Assert.Contains("goes to pod head-office, not to branch-1", elsewhere.ErrorLines[0], StringComparison.Ordinal);
        var other = (await Shell.ImgctlAsync("upload", Shell.Program, "--pod", "head-office", "--resume", begun.Id)).With(ExitCodes.Usage);
        Assert.Contains("Name the file that the upload was begun with", other.Error, StringComparison.Ordinal);
        Assert.Equal("second.raw is on head-office: 10.0 MiB.", (await Shell.ImgctlAsync("upload", path, "--pod", "head-office", "--resume", begun.Id)).With(0).Only);
    }

    [Fact]
    public async Task A_pod_that_is_connected_again_keeps_the_labels_and_slots_that_are_not_given()
    {
        string[] connect = ["pod", "connect", "again", "--datastore", Path.Combine(Shell.Home, "sites", "again"), "--wait"];
        Directory.CreateDirectory(connect[4]);
        (await Shell.ImgctlAsync([.. connect, "--label", "region=eu", "--slots", "5"])).With(0);
        (await Shell.ImgctlAsync([.. connect, "--set", "reserve=16MiB"])).With(0);
        using var client = Server.Client(Shell);
        var kept = await client.GetPodAsync("again");
        Assert.Equal(("eu", 5, "16MiB"), (kept.Labels["region"], kept.Slots, kept.Settings["reserve"]));

        (await Shell.ImgctlAsync([.. connect, "--slots", "3"])).With(0);
        var changed = await client.GetPodAsync("again");
        Assert.Equal(("eu", 3, false), (changed.Labels["region"], changed.Slots, changed.Settings.ContainsKey("reserve")));
    }

    [Fact]
    public async Task A_token_that_can_be_written_nowhere_is_not_made()
    {
        (await Shell.ImgctlAsync("token", "create", "lost", "--role", "viewer", "--file", Path.Combine(Shell.Home, "no-such-folder", "lost.token"))).With(ExitCodes.NotFound);
        var refused = Path.Combine(Shell.Home, "refused.token");
        (await Shell.ImgctlAsync("token", "create", "no good name", "--role", "viewer", "--file", refused)).With(ExitCodes.Usage);
        Assert.False(File.Exists(refused));
        Assert.DoesNotContain("token/lost", (await Shell.ImgctlAsync("token", "list", "-o", "name")).With(0).Lines);
    }

    [Fact]
    public async Task Names_of_images_versions_pods_sources_operations_and_tokens_are_completed()
    {
        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("branch-1");
        (await Shell.ImgctlAsync("import", "Named", "--pod", "head-office", "--source", "win10pos.raw", "--wait", "--operation", "import-named")).With(0);
        Assert.Equal(["Named"], await CompleteAsync("publish", "N"));
        Assert.Equal(["1.0"], await CompleteAsync("publish", "Named", ""));
        Assert.Equal(["branch-1"], await CompleteAsync("pod", "drain", "bra"));
        Assert.Equal(["head-office,branch-1"], await CompleteAsync("publish", "Named", "1.0", "--pods", "head-office,b"));
        Assert.Equal(["win10pos.raw"], await CompleteAsync("import", "New", "--pod", "head-office", "--source", "w"));
        Assert.Equal(["import-named"], await CompleteAsync("operation", "show", "imp"));
        Assert.Contains("administrator", await CompleteAsync("token", "revoke", ""));
    }

    [Fact]
    public async Task A_token_file_is_for_its_owner_and_works_from_a_context()
    {
        var file = Path.Combine(Shell.Home, "ci.token");
        (await Shell.ImgctlAsync("token", "create", "ci", "--role", "publisher", "--expires", "90d", "--file", file)).With(0);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Contains("exists", (await Shell.ImgctlAsync("token", "create", "ci2", "--role", "viewer", "--file", file)).With(ExitCodes.Refused).Error, StringComparison.Ordinal);

        var url = (await Shell.ImgctlAsync("context", "show", "-o", "json")).With(0).Out.Split('"')[3];
        (await Shell.ImgctlAsync("context", "set", "here", "--server", url, "--token-from", file)).With(0);
        (await Shell.ImgctlAsync("pod", "list", "--context", "here")).With(0);
        (await Shell.ImgctlAsync("token", "list", "--context", "here")).With(ExitCodes.NotAllowed);
        (await Shell.ImgctlAsync("context", "remove", "here", "--yes")).With(0);
        var tokens = (await Shell.ImgctlAsync("token", "list")).With(0).Out;
        Assert.Contains("publisher", tokens, StringComparison.Ordinal);
        Assert.DoesNotContain(await File.ReadAllTextAsync(file), tokens, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_and_a_support_bundle_are_made()
    {
        var backup = (await Shell.ImgctlAsync("backup", "--name", "before-upgrade")).With(0);
        Assert.Contains("before-upgrade", backup.Out, StringComparison.Ordinal);
        var bundle = Path.Combine(Shell.Home, "case.zip");
        (await Shell.ImgctlAsync("support-bundle", "--file", bundle)).With(0);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(bundle));
        Assert.True(new FileInfo(bundle).Length > 0);
        (await Shell.ImgctlAsync("support-bundle", "--file", bundle)).With(ExitCodes.Refused);
    }

    private async Task<string[]> CompleteAsync(params string[] words) =>
        [.. (await Shell.ImgctlAsync(["__complete", .. words])).With(0).Lines.Select(line => line.Split('\t')[0])];
}
