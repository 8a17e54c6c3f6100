using System.Diagnostics;
using Orleans.ImageMgmt.Content.Tests.Transfers;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>Where the file system can share blocks, what the pod holds takes no new room. Where none can be mounted here, the same receive copies.</summary>
public class ReflinkTests
{
    private const int Chunks = 24;
    private const int Changed = 3;

    [Theory]
    [InlineData("mkfs.xfs", "-q -m reflink=1", "xfs")]
    [InlineData("mkfs.btrfs", "-q", "btrfs")]
    public async Task Unchanged_ranges_are_shared_with_the_own_copy_and_changed_blocks_are_written(string make, string options, string kind)
    {
        using var bench = new Bench();
        using var mount = Loop.TryMount(bench.PathOf("disk"), bench.PathOf("mnt"), make, options, kind);
        var folder = mount is null ? bench.Folder : bench.PathOf("mnt");
        var bytes = new byte[Chunks * Bench.MiB];
        new Random(1).NextBytes(bytes);
        await using var old = await SealAsync(bench, Path.Combine(folder, "old"), bytes);
        for (var i = 0; i < Changed; i++)
        {
            new Random(i + 2).NextBytes(bytes.AsSpan((i * 5 * Bench.MiB) + 40_960, BlockLayout.BlockLength));
        }

        await using var reader = await SealAsync(bench, bench.PathOf("new"), bytes);
        SparseFile.Flush(old.LocalFile!);
        var before = new DriveInfo(folder).TotalFreeSpace;
        var source = new BlocksDouble(reader);
        ReceiveResult received;
        using (var staging = File.OpenHandle(Path.Combine(folder, "staging"), FileMode.CreateNew, FileAccess.ReadWrite))
        {
            received = await CopyReceiver.ReceiveAsync(source, staging, new ReceiveOptions { OwnCopies = [new OwnCopy(old.LocalFile!, old.Manifest)] }, SilentObserver.Instance, Bench.Token);
            SparseFile.Flush(staging);
        }

        Assert.Equal(bytes, await File.ReadAllBytesAsync(Path.Combine(folder, "staging"), Bench.Token));
        Assert.Equal(Changed, source.Asked.Count);
        Assert.Equal(bytes.Length - (Changed * BlockLayout.BlockLength), received.BytesReused);
        Assert.Equal(Chunks, received.Proof!.Chunks);
        if (mount is not null)
        {
            Assert.InRange(before - new DriveInfo(folder).TotalFreeSpace, 0, 6 * Bench.MiB);
        }

        // Writing to the new copy never shows in the old one.
        Assert.Equal(old.Manifest.ContentDigest.Value, bench.Sha256(Path.Combine(folder, "old-sealed")));
        old.LocalFile!.Dispose();
    }

    private static async Task<LocalContentReader> SealAsync(Bench bench, string path, byte[] bytes)
    {
        await File.WriteAllBytesAsync(path, bytes, Bench.Token);
        using var file = File.OpenHandle(path);
        var target = File.OpenHandle(path + "-sealed", FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var image = new RawDouble(file);
        var result = await Sealer.SealAsync(image, file, target, new SealOptions(), SilentObserver.Instance, Bench.Token);
        return new LocalContentReader(target, result.Manifest);
    }

    /// <summary>A file system in a file, where this user may mount one and its maker is installed.</summary>
    private sealed class Loop : IDisposable
    {
        private readonly string folder;

        private Loop(string folder) => this.folder = folder;

        public static Loop? TryMount(string disk, string folder, string make, string options, string kind)
        {
            using (var file = File.OpenHandle(disk, FileMode.CreateNew, FileAccess.Write))
            {
                RandomAccess.SetLength(file, 400L * Bench.MiB);
            }

            Directory.CreateDirectory(folder);
            return Run(make, [.. options.Split(' '), disk]) && Run("mount", ["-t", kind, "-o", "loop", disk, folder]) ? new Loop(folder) : null;
        }

        public void Dispose() => Run("umount", ["-l", folder]);

        private static bool Run(string program, string[] arguments)
        {
            try
            {
                using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
                process.StandardOutput.ReadToEnd();
                process.StandardError.ReadToEnd();
                process.WaitForExit();
                return process.ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }
    }
}
