using System.Diagnostics;
using Orleans.ImageMgmt.Grains.Durable;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>A small file system of memory stands for a disk that fills up or turns read-only. Mounting needs root.</summary>
public sealed class DiskTests : IAsyncLifetime
{
    private readonly string mount = Path.Combine(Path.GetTempPath(), $"imagemgmt-disk-{Guid.NewGuid():N}");
    private StoreFolder folder = null!;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(mount);
        await RunAsync("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount);
        folder = new StoreFolder(path: Path.Combine(mount, "data"));
    }

    public async ValueTask DisposeAsync()
    {
        await folder.DisposeAsync();
        await RunAsync("umount", mount);
        Directory.Delete(mount);
    }

    [Fact]
    public async Task A_full_disk_is_a_typed_error_that_leaves_nothing_behind_and_ends_by_itself()
    {
        await WriteAsync("kept", 100_000);
        var filler = Path.Combine(mount, "filler");
        await FillAsync(filler);

        var error = await Assert.ThrowsAsync<StoreUnavailableException>(() => WriteAsync("lost", 1_000_000));
        Assert.Equal("store.full", error.Code);
        Assert.Null(await folder.Rows.ReadAsync("k", "lost", StoreFolder.Token));
        Assert.Null(await folder.Store.Catalog.FindAsync(CatalogKind.Image, "lost", StoreFolder.Token));
        Assert.NotNull(await folder.Rows.ReadAsync("k", "kept", StoreFolder.Token));

        File.Delete(filler);
        await WriteAsync("lost", 1_000_000);
        await folder.ReopenAsync();
        Assert.Equal(1_000_000, (await folder.Rows.ReadAsync("k", "lost", StoreFolder.Token))!.Payload.Length);
        Assert.NotNull(await folder.Store.Catalog.FindAsync(CatalogKind.Image, "lost", StoreFolder.Token));
    }

    [Fact]
    public async Task Every_write_of_a_batch_that_finds_no_room_fails_and_none_is_visible()
    {
        await FillAsync(Path.Combine(mount, "filler"));

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => Record.ExceptionAsync(() => WriteAsync($"w{n}", 200_000)).AsTask()));

        Assert.All(outcomes, error => Assert.Equal("store.full", Assert.IsType<StoreUnavailableException>(error).Code));
        Assert.Empty(await folder.Rows.ListAsync("k", "", null, 100, StoreFolder.Token));
    }

    private Task<IReadOnlyList<string?>> WriteAsync(string name, int length) => folder.Rows.WriteAsync(
        [new RowWrite("k", name, null, new byte[length], [new Projection.Upsert(Box.Row(name, "Importing", "{}"))])], StoreFolder.Token);

    private static async Task FillAsync(string filler)
    {
        await using var file = File.Create(filler);
        try
        {
            while (true)
            {
                file.Write(new byte[4_096]);
                file.Flush(flushToDisk: false);
            }
        }
        catch (IOException)
        {
            // Full, which is what was wanted.
        }
    }

    private static async Task RunAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(command, arguments) { RedirectStandardError = true })!;
        var complaint = await process.StandardError.ReadToEndAsync(StoreFolder.Token);
        await process.WaitForExitAsync(StoreFolder.Token);
        Assert.True(process.ExitCode == 0, $"{command} failed: {complaint}");
    }
}
