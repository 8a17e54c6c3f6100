using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>How large a golden disk is.</summary>
/// <param name="DiskBytes">Length of the disk in bytes; what holds no data stays a hole.</param>
/// <param name="DataBytes">Bytes of real file data in version 1.0; version 1.1 adds about 8 percent.</param>
internal sealed record GoldenDiskSize(long DiskBytes, long DataBytes)
{
    /// <summary>The demo's disk: 2 GiB that hold 1.1 GiB of files.</summary>
    public static GoldenDiskSize Demo { get; } = new(2048L << 20, 1126L << 20);
}

/// <summary>A golden disk cannot be built here; the message is one sentence that says what to do.</summary>
internal sealed class GoldenDiskException(string sentence) : Exception(sentence);

/// <summary>
/// Builds the demo's golden disks: an MBR, a FAT boot partition (syslinux, a Linux kernel, an initrd that prints the image's version) and an ext4
/// partition full of files of this machine. The same version built twice on one machine is the same bytes: every time stamp, id and seed is fixed.
/// </summary>
internal static class GoldenDisk
{
    public const string FirstVersion = "1.0";
    public const string NextVersion = "1.1";

    internal const int Sector = 512;
    internal const long BootStart = 1L << 20;
    internal const long BootBytes = 64L << 20;
    internal const long DataStart = BootStart + BootBytes;

    /// <summary>The time stamp of everything on a golden disk, in seconds since 1970.</summary>
    internal const long Epoch = 1_700_000_000;

    private const int BootCodeBytes = 440;
    private const int PartitionTableAt = 446;
    private const byte Fat16 = 0x06;
    private const byte LinuxData = 0x83;
    private const byte Active = 0x80;

    /// <summary>Builds one version of the golden disk and returns its path. The file appears under its name only when it is whole.</summary>
    /// <param name="folder">Where the disk goes; made when missing.</param>
    /// <param name="fileName">Name of the disk's file, such as <c>Win10POS-1.0.raw</c>.</param>
    /// <param name="version"><see cref="FirstVersion"/> or <see cref="NextVersion"/>: the same disk after an upgrade that replaced and added files.</param>
    /// <param name="size">How large.</param>
    /// <param name="say">Gets a line for everything that a user should know; may be null.</param>
    /// <param name="cancel">Stops the build; the unfinished file is removed.</param>
    /// <exception cref="GoldenDiskException">A package is missing and cannot be fetched, or this machine has too few files.</exception>
    public static async Task<string> BuildAsync(
        string folder, string fileName, string version, GoldenDiskSize size, Action<string>? say, CancellationToken cancel)
    {
        if (version is not (FirstVersion or NextVersion))
        {
            throw new ArgumentException($"A golden disk has version {FirstVersion} or {NextVersion}, not {version}.", nameof(version));
        }

        var began = Stopwatch.GetTimestamp();
        _ = Directory.CreateDirectory(folder);
        var tools = await GoldenDiskTools.FindAsync(say, cancel);
        var tree = GoldenDiskFiles.Plan(version, size);
        var path = Path.Combine(folder, fileName);
        var unfinished = path + ".unfinished";
        try
        {
            await WriteAsync(unfinished, version, size, tools, tree, cancel);
            File.Move(unfinished, path, overwrite: true);
        }
        finally
        {
            File.Delete(unfinished);
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
        say?.Invoke($"built {fileName}: {size.DiskBytes >> 20} MiB disk, {tree.DataBytes >> 20} MiB of files, {seconds} s");
        return path;
    }

    private static async Task WriteAsync(
        string path, string version, GoldenDiskSize size, GoldenDiskTools tools, GoldenTree tree, CancellationToken cancel)
    {
        using var disk = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite);
        RandomAccess.SetLength(disk, size.DiskBytes);
        var bootCode = tools.BootCode is { } file ? await File.ReadAllBytesAsync(file, cancel) : [];
        RandomAccess.Write(disk, MasterBootRecord(bootCode, size.DiskBytes), 0);
        await GoldenDiskBoot.WriteAsync(disk, BootStart, BootBytes, version, tools, cancel);
        new GoldenDiskExt4(tree, size.DiskBytes - DataStart).Write(disk, DataStart, cancel);
    }

    /// <summary>The classic partition table (UEFI specification 2.10, section 5.2.1): boot code, four entries, signature 55 AA.</summary>
    private static byte[] MasterBootRecord(ReadOnlySpan<byte> bootCode, long diskBytes)
    {
        var sector = new byte[Sector];
        bootCode[..Math.Min(bootCode.Length, BootCodeBytes)].CopyTo(sector);
        BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(BootCodeBytes), 0x494D_4731);
        WritePartition(sector.AsSpan(PartitionTableAt), Active, Fat16, BootStart, BootBytes);
        WritePartition(sector.AsSpan(PartitionTableAt + 16), 0, LinuxData, DataStart, diskBytes - DataStart);
        sector[510] = 0x55;
        sector[511] = 0xAA;
        return sector;
    }

    private static void WritePartition(Span<byte> entry, byte flag, byte type, long start, long length)
    {
        // Cylinders, heads and sectors are set to their end marks: the reader has to use the sector numbers behind them.
        ReadOnlySpan<byte> beyond = [0xFE, 0xFF, 0xFF];
        entry[0] = flag;
        beyond.CopyTo(entry[1..]);
        entry[4] = type;
        beyond.CopyTo(entry[5..]);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], (uint)(start / Sector));
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], (uint)(length / Sector));
    }
}
