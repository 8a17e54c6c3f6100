using System.Globalization;
using System.IO.Compression;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>The boot partition: FAT16 with syslinux, a kernel, and an initrd that says which version came up and powers off.</summary>
internal static class GoldenDiskBoot
{
    private const string Serial = "1A2B3C4D";

    private static readonly string[] Names = ["vmlinuz", "initrd.gz", "syslinux.cfg"];

    private const string BootConfiguration =
        "SERIAL 0 115200\nDEFAULT golden\nPROMPT 0\nLABEL golden\n  KERNEL vmlinuz\n  INITRD initrd.gz\n  APPEND console=tty0 console=ttyS0 quiet panic=5\n";

    public static async Task WriteAsync(SafeFileHandle disk, long start, long length, string version, GoldenDiskTools tools, CancellationToken cancel)
    {
        var work = Directory.CreateTempSubdirectory("imgmt-golden-").FullName;
        try
        {
            var partition = await BuildAsync(work, length, version, tools, cancel);
            await CopyAsync(partition, disk, start, cancel);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static async Task<string> BuildAsync(string work, long length, string version, GoldenDiskTools tools, CancellationToken cancel)
    {
        var partition = Path.Combine(work, "boot.fat");
        var sectors = (length / GoldenDisk.Sector).ToString(CultureInfo.InvariantCulture);
        File.Copy(tools.Kernel, Path.Combine(work, "vmlinuz"));
        await File.WriteAllBytesAsync(Path.Combine(work, "initrd.gz"), InitialRamDisk(version, await File.ReadAllBytesAsync(tools.Busybox, cancel)), cancel);
        await File.WriteAllTextAsync(Path.Combine(work, "syslinux.cfg"), BootConfiguration, cancel);
        string[] files = [.. Names.Select(name => Path.Combine(work, name))];
        foreach (var file in files)
        {
            File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch.AddSeconds(GoldenDisk.Epoch));
        }

        await RunAsync(tools.Format, ["-C", "-i", partition, "-T", sectors, "-h", "255", "-s", "63", "-H", "2048", "-N", Serial, "-v", "GOLDEN", "::"], tools, cancel);
        await RunAsync(tools.Copy, ["-m", "-i", partition, .. files, "::"], tools, cancel);
        if (tools.BootLoader is { } installer)
        {
            await RunAsync(installer, ["--install", partition], tools, cancel);
        }

        return partition;
    }

    private static async Task RunAsync(string program, string[] arguments, GoldenDiskTools tools, CancellationToken cancel) =>
        _ = await GoldenDiskProgram.RunAsync(program, arguments, GoldenDiskProgram.LocalLimit, cancel, firstPath: tools.Programs);

    private static async Task CopyAsync(string partition, SafeFileHandle disk, long start, CancellationToken cancel)
    {
        const int piece = 1 << 20;
        using var file = File.OpenHandle(partition);
        var buffer = new byte[piece];
        long at = 0;
        while (await RandomAccess.ReadAsync(file, buffer, at, cancel) is var got and > 0)
        {
            if (buffer.AsSpan(0, got).ContainsAnyExcept((byte)0))
            {
                await RandomAccess.WriteAsync(disk, buffer.AsMemory(0, got), start + at, cancel);
            }

            at += got;
        }
    }

    /// <summary>A cpio archive in "new ASCII" form, as the kernel's initramfs buffer format asks, gzipped.</summary>
    private static byte[] InitialRamDisk(string version, byte[] busybox)
    {
        const string init = """
            #!/bin/busybox sh
            /bin/busybox mount -t devtmpfs dev /dev
            /bin/busybox mount -t proc proc /proc
            echo "GOLDEN-IMAGE-UP version=$(/bin/busybox cat /etc/image-version) kernel=$(/bin/busybox uname -r)"
            exec /bin/busybox poweroff -f

            """;
        const int folder = 0x41ED;
        const int program = 0x81ED;
        const int text = 0x81A4;
        using var archive = new MemoryStream();
        var entries = new (string Name, int Mode, byte[] Bytes)[]
        {
            ("bin", folder, []),
            ("bin/busybox", program, busybox),
            ("dev", folder, []),
            ("etc", folder, []),
            ("etc/image-version", text, Encoding.ASCII.GetBytes(version + "\n")),
            ("init", program, Encoding.ASCII.GetBytes(init)),
            ("proc", folder, []),
            ("TRAILER!!!", 0, []),
        };
        using (var zip = new GZipStream(archive, CompressionLevel.Fastest, leaveOpen: true))
        {
            for (var i = 0; i < entries.Length; i++)
            {
                WriteEntry(zip, i + 1, entries[i].Name, entries[i].Mode, entries[i].Bytes);
            }
        }

        return archive.ToArray();
    }

    private static void WriteEntry(Stream archive, int inode, string name, int mode, byte[] bytes)
    {
        var nameBytes = Encoding.ASCII.GetBytes(name + "\0");
        var links = mode == 0x41ED ? 2 : 1;
        int[] fields = [inode, mode, 0, 0, links, (int)GoldenDisk.Epoch, bytes.Length, 0, 0, 0, 0, nameBytes.Length, 0];
        var head = "070701" + string.Concat(fields.Select(field => field.ToString("X8", CultureInfo.InvariantCulture)));
        WritePadded(archive, [.. Encoding.ASCII.GetBytes(head), .. nameBytes]);
        WritePadded(archive, bytes);
    }

    private static void WritePadded(Stream archive, byte[] bytes)
    {
        archive.Write(bytes);
        archive.Write(new byte[(4 - (bytes.Length % 4)) % 4]);
    }
}
