using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Host;
using Xunit;
using CopyState = Orleans.ImageMgmt.Domain.CopyState;
using OperationState = Orleans.ImageMgmt.Domain.OperationState;
using VersionStatus = Orleans.ImageMgmt.Domain.VersionStatus;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: a backup made while the service runs brings it back, and what pods really hold counts more than what the backup believed.</summary>
public sealed class BackupTests
{
    private static readonly VersionId First = new(new ImageName("win"), new VersionName("1.0"));
    private static readonly VersionId Later = new(new ImageName("later"), new VersionName("1.0"));

    [Fact]
    public async Task After_a_restore_every_pod_is_asked_and_what_is_gone_or_damaged_is_quarantined_and_made_whole_and_what_is_unknown_reported()
    {
        await using var old = await UpkeepServer.StartAsync();
        foreach (var pod in (string[])["source", "a", "b", "c"])
        {
            await old.ConnectAsync(pod);
        }

        await old.ImportAsync(First, "source");
        Assert.Equal(OperationState.Succeeded, (await old.PublishAsync(First, "first")).Publish.State);
        var made = await BackUpAsync(old);

        // Life goes on after the backup: pods see higher generations, and copies that the backup knows nothing of.
        Assert.Equal(OperationState.Succeeded, (await old.PublishAsync(First, "second")).Publish.State);
        await old.ImportAsync(Later, "source");
        Assert.Equal(OperationState.Succeeded, (await old.PublishAsync(Later, "third")).Publish.State);
        var whole = await DigestAsync(old.FileOf("a", First));
        await old.StopAsync();
        Directory.Delete(Path.GetDirectoryName(old.FileOf("a", First))!, recursive: true);
        Damage(old.FileOf("b", First));
        await RestoreAsync(made.Path, Path.Combine(old.Root, "restored"));

        await using var server = await UpkeepServer.StartInAsync(old.Root, "restored");
        var record = await ReconciledAsync(server);

        Assert.Equal((4, 2, 4), (record.Checked, record.Lost, record.Unknown));
        await UpkeepServer.UntilAsync(async () => (await server.Client.GetVersionAsync(First)).Status == VersionStatus.Available, "what was lost is not made whole");
        var told = await server.Services.GetRequiredService<CatalogReader>().ListActivityAsync(new ActivityQuery { Image = "win" }, UpkeepServer.Stop);
        Assert.Equal(["a", "b"], told.Where(l => l.Action == "copy.state" && l.Body.Contains("is Quarantined", StringComparison.Ordinal)).Select(l => l.Pod).Order());
        Assert.Equal(["a", "b"], told.Where(l => l.Action == "copy.repaired").Select(l => l.Pod).Order());
        foreach (var pod in (string[])["a", "b", "c"])
        {
            Assert.Equal((CopyState.Available, null), await CopyAsync(server, pod));
            Assert.Equal(whole, await DigestAsync(server.FileOf(pod, First)));
        }

        var lines = await server.Services.GetRequiredService<CatalogReader>().ListActivityAsync(new ActivityQuery { Image = "later" }, UpkeepServer.Stop);
        Assert.Equal(["a", "b", "c", "source"], lines.Where(l => l.Action == "reconcile.unknown-copy").Select(l => l.Pod).Order());
        Assert.True(File.Exists(server.FileOf("a", Later)), "An unknown copy was removed.");
        var status = await server.Http.GetFromJsonAsync<ServerStatus>(Routes.ServerStatus, ImageMgmtJson.Options, UpkeepServer.Stop);
        Assert.Contains(status!.Checks, check => check is { Name: "restore", IsWell: false } && check.Detail!.Contains("4 copies read back, 2 lost, 4 unknown", StringComparison.Ordinal));

        // Pods take orders again, although they have seen more than the backup knew.
        Assert.Equal(OperationState.Succeeded, (await server.PublishAsync(First, "again")).Publish.State);
        Assert.Equal(VersionStatus.Available, (await server.Client.GetVersionAsync(First)).Status);
        foreach (var pod in (string[])["a", "b", "c"])
        {
            Assert.Equal(whole, await DigestAsync(server.FileOf(pod, First)));
        }

        // A name that the backup does not know can be imported anew, with a generation that no pod refuses.
        await server.ImportAsync(Later, "source");
        Assert.Equal(VersionStatus.DeploymentComplete, (await server.Client.GetVersionAsync(Later)).Status);
    }

    [Fact]
    public async Task A_backup_is_listed_and_sent_and_says_no_to_a_second_of_its_name()
    {
        await using var server = await UpkeepServer.StartAsync();
        var made = await BackUpAsync(server, "monday");

        using var again = await server.Http.PostAsJsonAsync(Routes.Backups, new BackupRequest { Name = "monday" }, UpkeepServer.Stop);
        using var odd = await server.Http.PostAsJsonAsync(Routes.Backups, new BackupRequest { Name = "../monday" }, UpkeepServer.Stop);

        Assert.Equal((HttpStatusCode.Conflict, HttpStatusCode.BadRequest), (again.StatusCode, odd.StatusCode));
        Assert.Contains("backup.exists", await again.Content.ReadAsStringAsync(UpkeepServer.Stop), StringComparison.Ordinal);
        var listed = await server.Http.GetFromJsonAsync<List<BackupResource>>(Routes.Backups, ImageMgmtJson.Options, UpkeepServer.Stop);
        Assert.Equal(("monday", made.Sha256), (Assert.Single(listed!).Name, listed![0].Sha256));
        var bytes = await server.Http.GetByteArrayAsync($"{Routes.Backups}/monday", UpkeepServer.Stop);
        Assert.Equal(made.Sha256, Convert.ToHexStringLower(SHA256.HashData(bytes)));
        Assert.Equal(HttpStatusCode.NotFound, (await server.Http.GetAsync($"{Routes.Backups}/tuesday", UpkeepServer.Stop)).StatusCode);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(made.Path));
        Assert.Equal([made.Path], Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(made.Path)!));
    }

    [Fact]
    public async Task A_restore_refuses_what_it_must_not_touch_or_cannot_trust_and_leaves_nothing_behind()
    {
        await using var server = await UpkeepServer.StartAsync();
        var made = await BackUpAsync(server);
        var target = Path.Combine(server.Root, "new");

        await AssertRefusedAsync("restore.not-empty", made.Path, Path.Combine(server.Root, "data"));
        await AssertRefusedAsync("backup.unreadable", Path.Combine(server.Root, "none"), target);
        var bytes = await File.ReadAllBytesAsync(made.Path, UpkeepServer.Stop);
        foreach (var at in (int[])[0, bytes.Length / 3, bytes.Length / 2, bytes.Length - 30])
        {
            var damaged = Path.Combine(server.Root, "damaged");
            var changed = bytes.ToArray();
            for (var i = at; i < Math.Min(bytes.Length, at + 64); i++)
            {
                changed[i] ^= 0x5A;
            }

            await File.WriteAllBytesAsync(damaged, changed, UpkeepServer.Stop);
            await AssertRefusedAsync("backup.damaged", damaged, target);
            await File.WriteAllBytesAsync(damaged, bytes[..Math.Max(1, at)], UpkeepServer.Stop);
            await AssertRefusedAsync("backup.damaged", damaged, target);
        }

        var newer = Path.Combine(server.Root, "newer");
        File.Copy(made.Path, newer);
        await ChangeManifestAsync(newer, $"\"storeSchema\": {EmbeddedStore.NewestSchema}", "\"storeSchema\": 99");
        await AssertRefusedAsync("backup.newer", newer, target);
        Assert.DoesNotContain(Directory.EnumerateDirectories(server.Root), folder => Path.GetFileName(folder).StartsWith("new", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_restore_removes_what_a_cut_restore_left_and_nothing_else()
    {
        await using var server = await UpkeepServer.StartAsync();
        var made = await BackUpAsync(server);
        var target = Path.Combine(server.Root, "new");
        var beside = Directory.CreateDirectory(target + ".restoring").FullName;
        var foreign = Path.Combine(beside, "of-somebody-else");
        await File.WriteAllTextAsync(foreign, "precious", UpkeepServer.Stop);
        await AssertRefusedAsync("restore.foreign-folder", made.Path, target);
        await File.WriteAllTextAsync(Path.Combine(beside, RestoringFolder.NoteName), "another text", UpkeepServer.Stop);
        await AssertRefusedAsync("restore.foreign-folder", made.Path, target);
        Assert.True(File.Exists(foreign));

        Directory.Delete(beside, recursive: true);
        using (RestoringFolder.Take(target))
        {
            await AssertRefusedAsync("restore.running", made.Path, target);
        }

        // As a restore leaves it that was killed.
        Directory.CreateDirectory(beside);
        await File.WriteAllTextAsync(Path.Combine(beside, RestoringFolder.NoteName), RestoringFolder.NoteText, UpkeepServer.Stop);
        await File.WriteAllTextAsync(Path.Combine(beside, "store.db"), "half", UpkeepServer.Stop);
        await RestoreAsync(made.Path, target);
        Assert.False(Directory.Exists(beside));
        Assert.False(File.Exists(Path.Combine(target, RestoringFolder.NoteName)));
        Assert.True(File.Exists(Path.Combine(target, "store.db")));
    }

    [Fact]
    public async Task The_newest_backups_are_kept_and_those_that_were_named_stay()
    {
        await using var server = await UpkeepServer.StartAsync("Backup:Keep=2");
        var named = await BackUpAsync(server, "before-upgrade");
        string[] older = ["20250101-000000", "20250102-000000", "20250103-000000"];
        Array.ForEach(older, name => File.Copy(named.Path, Path.Combine(Path.GetDirectoryName(named.Path)!, name + ".imgmt-backup")));

        var made = await BackUpAsync(server);

        var listed = await server.Http.GetFromJsonAsync<List<BackupResource>>(Routes.Backups, ImageMgmtJson.Options, UpkeepServer.Stop);
        Assert.Equal(["20250103-000000", made.Name, "before-upgrade"], listed!.Select(b => b.Name).Order(StringComparer.Ordinal));
        var lines = await server.Services.GetRequiredService<CatalogReader>().ListActivityAsync(new ActivityQuery(), UpkeepServer.Stop);
        Assert.Equal(2, lines.Count(l => l.Action == "backup.removed" && l.Actor == "administrator"));
        Assert.Contains("Keep is 0", Assert.Single(new BackupOptions { Keep = 0 }.Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restore_names_the_way_to_a_token_and_the_way_works()
    {
        await using var old = await UpkeepServer.StartAsync();
        var made = await BackUpAsync(old);
        var before = old.Http.DefaultRequestHeaders.Authorization!;
        await old.StopAsync();
        var data = Path.Combine(old.Root, "restored");

        await using var restore = ImgmtProgram.Start("restore", "--from", made.Path, "--data", data);
        Assert.Equal(0, await restore.ExitAsync());
        Assert.Contains($"'imgmt token reset --data {data}'", restore.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(data, "administrator.token")));
        await using var reset = ImgmtProgram.Start("token", "reset", "--data", data);
        Assert.True(await reset.ExitAsync() == 0, reset.Output);

        await using var server = await UpkeepServer.StartInAsync(old.Root, "restored");
        Assert.NotEqual(before.Parameter, server.Http.DefaultRequestHeaders.Authorization!.Parameter);
        Assert.Equal(HttpStatusCode.OK, (await server.Http.GetAsync(Routes.Tokens, UpkeepServer.Stop)).StatusCode);
        server.Http.DefaultRequestHeaders.Authorization = before;
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Http.GetAsync(Routes.Me, UpkeepServer.Stop)).StatusCode);
    }

    [Fact]
    public async Task A_restore_of_a_restore_raises_generations_again()
    {
        await using var old = await UpkeepServer.StartAsync();
        await old.ConnectAsync("source");
        await old.ImportAsync(First, "source");
        var before = (await old.Client.GetVersionAsync(First)).Generation;
        var made = await BackUpAsync(old);
        await old.StopAsync();
        await RestoreAsync(made.Path, Path.Combine(old.Root, "once"));
        Generation once;
        BackupResource second;
        await using (var server = await UpkeepServer.StartInAsync(old.Root, "once"))
        {
            once = (await server.Client.GetVersionAsync(First)).Generation;
            second = await BackUpAsync(server);
        }

        await RestoreAsync(second.Path, Path.Combine(old.Root, "twice"));
        await using var last = await UpkeepServer.StartInAsync(old.Root, "twice");

        Assert.True(before < once && once < (await last.Client.GetVersionAsync(First)).Generation);
        Assert.Equal(CopyState.Available, (await last.Client.GetCopyAsync(new PodName("source"), First)).Copy.State);
    }

    private static async Task<BackupResource> BackUpAsync(UpkeepServer server, string? name = null)
    {
        using var answer = await server.Http.PostAsJsonAsync(Routes.Backups, new BackupRequest { Name = name }, UpkeepServer.Stop);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync(UpkeepServer.Stop));
        var made = await answer.Content.ReadFromJsonAsync<BackupResource>(ImageMgmtJson.Options, UpkeepServer.Stop);
        Assert.Equal($"{Routes.Backups}/{made!.Name}", answer.Headers.Location?.ToString());
        return made;
    }

    private static Task<BackupManifest> RestoreAsync(string from, string data) =>
        RestoreCommand.RestoreAsync(from, data, UpkeepServer.By, TimeProvider.System, UpkeepServer.Stop);

    private static async Task AssertRefusedAsync(string code, string from, string data)
    {
        var refused = await Assert.ThrowsAsync<BackupException>(() => RestoreAsync(from, data));
        Assert.Equal(code, refused.Refusal.Code);
        Assert.EndsWith(".", refused.Refusal.Message, StringComparison.Ordinal);
    }

    private static async Task<RestoreRecord> ReconciledAsync(UpkeepServer server)
    {
        var store = server.Services.GetRequiredService<IDurableStore>();
        RestoreRecord? record = null;
        await UpkeepServer.UntilAsync(async () => (record = await RestoreRecord.ReadAsync(store, UpkeepServer.Stop)) is { IsReconciled: true }, "the pods were not all asked");
        return record!;
    }

    private static async Task<(CopyState State, string? Fault)> CopyAsync(UpkeepServer server, string pod)
    {
        var copy = (await server.Client.GetCopyAsync(new PodName(pod), First)).Copy;
        return (copy.State, copy.Fault?.Code);
    }

    private static void Damage(string file)
    {
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite);
        stream.Position = 1 << 20;
        stream.WriteByte((byte)~stream.ReadByte());
    }

    private static async Task<string> DigestAsync(string file)
    {
        await using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, UpkeepServer.Stop));
    }

    private static async Task ChangeManifestAsync(string archive, string from, string to)
    {
        await using var zip = System.IO.Compression.ZipFile.Open(archive, System.IO.Compression.ZipArchiveMode.Update);
        var entry = zip.GetEntry("manifest.json")!;
        string text;
        using (var reader = new StreamReader(await entry.OpenAsync(UpkeepServer.Stop)))
        {
            text = await reader.ReadToEndAsync(UpkeepServer.Stop);
        }

        Assert.Contains(from, text, StringComparison.Ordinal);
        entry.Delete();
        await using var writer = new StreamWriter(await zip.CreateEntry("manifest.json").OpenAsync(UpkeepServer.Stop));
        await writer.WriteAsync(text.Replace(from, to, StringComparison.Ordinal));
    }
}
