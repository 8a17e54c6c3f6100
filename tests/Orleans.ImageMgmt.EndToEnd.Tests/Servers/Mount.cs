using System.Diagnostics;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>A small file system of its own, so that "full" and "read-only" are the real thing. Disposing unmounts it.</summary>
internal sealed class Mount : IAsyncDisposable
{
    private const string Filler = "filler";

    private Mount(string folder) => Folder = folder;

    public string Folder { get; }

    /// <param name="folder">Made if it is not there.</param>
    /// <param name="mebibytes">Its size.</param>
    public static async Task<Mount> TmpfsAsync(string folder, int mebibytes)
    {
        Assert.True(Environment.UserName == "root", "These tests mount small file systems: run them as root.");
        Directory.CreateDirectory(folder);
        await RunAsync("mount", "-t", "tmpfs", "-o", $"size={mebibytes}m", "imgmt-test", folder);
        return new Mount(folder);
    }

    public Task MakeReadOnlyAsync() => RunAsync("mount", "-o", "remount,ro", Folder);

    public Task MakeWritableAsync() => RunAsync("mount", "-o", "remount,rw", Folder);

    /// <summary>Takes every last byte.</summary>
    public void Fill()
    {
        using var file = new FileStream(Path.Combine(Folder, Filler), FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        foreach (var piece in (int[])[1 << 16, 1 << 12])
        {
            var bytes = new byte[piece];
            while (TryWrite(file, bytes))
            {
            }
        }
    }

    public void FreeRoom() => File.Delete(Path.Combine(Folder, Filler));

    public async ValueTask DisposeAsync() => await RunAsync("umount", "--lazy", Folder);

    private static bool TryWrite(FileStream file, byte[] bytes)
    {
        try
        {
            file.Write(bytes);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true };
        start.Environment["PATH"] += ":/usr/sbin:/sbin";
        using var process = Process.Start(start)!;
        var trouble = await process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {trouble}");
    }
}
