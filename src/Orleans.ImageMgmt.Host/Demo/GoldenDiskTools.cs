using System.Formats.Tar;
using System.Runtime.InteropServices;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>
/// What a golden disk's boot partition is made with. What the machine lacks is downloaded as Debian packages and unpacked into a folder of the user's cache:
/// nothing is installed, and the second run needs no network.
/// </summary>
/// <param name="Busybox">A statically linked busybox: the whole user land of the initrd.</param>
/// <param name="Kernel">A Linux kernel image.</param>
/// <param name="Format">The mtools program that makes a FAT file system.</param>
/// <param name="Copy">The mtools program that copies into one.</param>
/// <param name="BootLoader">The syslinux installer, or null where there is none (it exists for x86 only).</param>
/// <param name="BootCode">The code for the first sector, or null where there is no boot loader.</param>
/// <param name="Programs">A folder that must come first in the path, because syslinux calls mtools.</param>
internal sealed record GoldenDiskTools(string Busybox, string Kernel, string Format, string Copy, string? BootLoader, string? BootCode, string Programs)
{
    private const int MostKernelBytes = 48 << 20;

    private static readonly bool HasBootLoader = RuntimeInformation.OSArchitecture is Architecture.X64;

    private static string Cache => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? Path.Combine(home, ".cache") : Path.GetTempPath(),
        "imgmt",
        "golden-tools");

    /// <summary>Finds the tools, fetching what is missing.</summary>
    public static Task<GoldenDiskTools> FindAsync(Action<string>? say, CancellationToken cancel) => FindAsync(Cache, "/", say, cancel);

    /// <param name="cache">Where packages are unpacked.</param>
    /// <param name="machine">The root under which the machine's own programs are looked for.</param>
    /// <param name="say">Gets a line when something is downloaded.</param>
    /// <param name="cancel">Stops the download.</param>
    internal static async Task<GoldenDiskTools> FindAsync(string cache, string machine, Action<string>? say, CancellationToken cancel)
    {
        var missing = Missing(cache, machine);
        if (missing.Count > 0)
        {
            await FetchAsync(missing, cache, say, cancel);
            missing = Missing(cache, machine);
        }

        return missing.Count == 0
            ? new GoldenDiskTools(
                Busyboxes(cache, machine).First(),
                Kernels(cache, machine).First(),
                Program(cache, machine, "mformat")!,
                Program(cache, machine, "mcopy")!,
                HasBootLoader ? Program(cache, machine, "syslinux") : null,
                HasBootLoader ? BootCodeFile(cache, machine) : null,
                Path.Combine(cache, "usr/bin"))
            : throw new GoldenDiskException(Sentence(missing, "the downloaded packages do not hold what was expected"));
    }

    private static List<string> Missing(string cache, string machine)
    {
        List<string> packages = [];
        void Need(bool there, string package)
        {
            if (!there)
            {
                packages.Add(package);
            }
        }

        Need(Busyboxes(cache, machine).Any(), "busybox-static");
        Need(Program(cache, machine, "mformat") is not null && Program(cache, machine, "mcopy") is not null, "mtools");
        Need(!HasBootLoader || Program(cache, machine, "syslinux") is not null, "syslinux");
        Need(!HasBootLoader || BootCodeFile(cache, machine) is not null, "syslinux-common");
        Need(Kernels(cache, machine).Any(), KernelPackages[0]);
        return packages;
    }

    /// <summary>Packages that depend on the newest small kernel: Debian's name, then Ubuntu's.</summary>
    private static string[] KernelPackages => [$"linux-image-cloud-{DebianArchitecture}", "linux-image-virtual"];

    private static string DebianArchitecture => RuntimeInformation.OSArchitecture is Architecture.Arm64 ? "arm64" : "amd64";

    private static IEnumerable<string> Busyboxes(string cache, string machine) =>
        Places(cache, machine, "bin/busybox", "usr/bin/busybox").Where(IsStatic);

    private static string? Program(string cache, string machine, string name) => Places(cache, machine, $"usr/bin/{name}", $"bin/{name}").FirstOrDefault();

    private static string? BootCodeFile(string cache, string machine) => Places(cache, machine, "usr/lib/syslinux/mbr/mbr.bin").FirstOrDefault();

    private static IEnumerable<string> Places(string cache, string machine, params string[] names) =>
        names.Select(name => Path.Combine(machine, name)).Concat(names.Select(name => Path.Combine(cache, name))).Where(File.Exists);

    private static IEnumerable<string> Kernels(string cache, string machine) =>
        new[] { Path.Combine(machine, "boot"), Path.Combine(cache, "boot") }
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "vmlinuz-*").OrderDescending(StringComparer.Ordinal))
            .Where(CanRead);

    /// <summary>Ubuntu keeps its kernels for root alone.</summary>
    private static bool CanRead(string path)
    {
        try
        {
            using var file = File.OpenHandle(path);
            return RandomAccess.GetLength(file) is > 0 and <= MostKernelBytes;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>A program without an interpreter segment (type 3 in the ELF-64 program header table) needs no library.</summary>
    private static bool IsStatic(string path)
    {
        const uint interpreter = 3;
        var head = new byte[4096];
        using var file = File.OpenHandle(path);
        var read = head.AsSpan(0, RandomAccess.Read(file, head, 0));
        if (read.Length < 64 || !read.StartsWith("\u007fELF"u8))
        {
            return false;
        }

        var table = BitConverter.ToInt64(read[0x20..]);
        int entry = BitConverter.ToUInt16(read[0x36..]);
        int count = BitConverter.ToUInt16(read[0x38..]);
        for (var i = 0; i < count && table + ((i + 1) * entry) <= read.Length; i++)
        {
            if (BitConverter.ToUInt32(read[(int)(table + (i * entry))..]) == interpreter)
            {
                return false;
            }
        }

        return true;
    }

    private static async Task FetchAsync(List<string> packages, string cache, Action<string>? say, CancellationToken cancel)
    {
        if (Program(cache, "/", "apt-get") is null || Program(cache, "/", "dpkg-deb") is null)
        {
            throw new GoldenDiskException(Sentence(packages, "apt-get is not on this machine"));
        }

        say?.Invoke($"fetching {string.Join(", ", packages)} for the demo's disk into {cache} (nothing is installed)");
        var downloads = Path.Combine(cache, $"downloads-{Environment.ProcessId}");
        _ = Directory.CreateDirectory(downloads);
        try
        {
            await DownloadAsync(packages, downloads, cancel);
            foreach (var package in Directory.EnumerateFiles(downloads, "*.deb").Order(StringComparer.Ordinal))
            {
                await UnpackAsync(package, cache, cancel);
            }
        }
        catch (GoldenDiskException e)
        {
            throw new GoldenDiskException(Sentence(packages, e.Message));
        }
        finally
        {
            Directory.Delete(downloads, recursive: true);
        }
    }

    private static async Task DownloadAsync(List<string> packages, string downloads, CancellationToken cancel)
    {
        if (Environment.IsPrivilegedProcess)
        {
            _ = await GoldenDiskProgram.RunAsync("apt-get", ["update", "-qq"], GoldenDiskProgram.NetworkLimit, cancel);
        }

        var names = new List<string>();
        foreach (var package in packages)
        {
            names.Add(package == KernelPackages[0] ? await KernelPackageAsync(cancel) : package);
        }

        _ = await GoldenDiskProgram.RunAsync("apt-get", ["download", "-qq", .. names], GoldenDiskProgram.NetworkLimit, cancel, downloads);
    }

    private static async Task<string> KernelPackageAsync(CancellationToken cancel)
    {
        const string depends = "Depends: linux-image-";
        foreach (var package in KernelPackages)
        {
            var known = await GoldenDiskProgram.RunAsync("apt-cache", ["--quiet=1", "search", "--names-only", $"^{package}$"], GoldenDiskProgram.LocalLimit, cancel);
            if (known.Length == 0)
            {
                continue;
            }

            var lines = await GoldenDiskProgram.RunAsync("apt-cache", ["depends", package], GoldenDiskProgram.LocalLimit, cancel);
            var line = lines.Split('\n', StringSplitOptions.TrimEntries).FirstOrDefault(line => line.StartsWith(depends, StringComparison.Ordinal));
            if (line is not null)
            {
                return line["Depends: ".Length..];
            }
        }

        throw new GoldenDiskException("apt knows no kernel package");
    }

    /// <summary>A kernel package is mostly modules: only the kernel itself is taken, and unpacking ends with it.</summary>
    private static async Task UnpackAsync(string package, string cache, CancellationToken cancel)
    {
        if (!Path.GetFileName(package).StartsWith("linux-image", StringComparison.Ordinal))
        {
            _ = await GoldenDiskProgram.RunAsync("dpkg-deb", ["--extract", package, cache], GoldenDiskProgram.LocalLimit, cancel);
            return;
        }

        using var process = GoldenDiskProgram.Start("dpkg-deb", ["--fsys-tarfile", package], null, null);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(GoldenDiskProgram.LocalLimit);
        try
        {
            await using var tar = new TarReader(process.StandardOutput.BaseStream);
            while (await tar.GetNextEntryAsync(cancellationToken: stop.Token) is { } entry)
            {
                var name = Path.GetFileName(entry.Name);
                if (entry.DataStream is not null && name.StartsWith("vmlinuz-", StringComparison.Ordinal))
                {
                    _ = Directory.CreateDirectory(Path.Combine(cache, "boot"));
                    var unfinished = Path.Combine(Path.GetDirectoryName(package)!, name);
                    await entry.ExtractToFileAsync(unfinished, overwrite: true, stop.Token);
                    File.Move(unfinished, Path.Combine(cache, "boot", name), overwrite: true);
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new GoldenDiskException($"dpkg-deb did not end within {GoldenDiskProgram.LocalLimit.TotalSeconds:0} s");
        }
        finally
        {
            GoldenDiskProgram.End(process);
        }
    }

    private static string Sentence(List<string> packages, string reason) =>
        $"The demo's disk needs {string.Join(", ", packages)} ({reason}): run `sudo apt-get update && sudo apt-get install -y --no-install-recommends "
        + $"{string.Join(' ', packages)}`, or give your own disk with --disk FILE.";
}
