using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary>A 4 GiB raw disk with about 1.6 GiB of data in it.</summary>
internal static class SampleImage
{
    public const long Length = 4L << 30;
    private const long DataLength = (16L << 30) / 10;

    /// <returns>What the image is made of, for the table.</returns>
    public static string Make(string path, string folder)
    {
        if (!File.Exists("/usr/sbin/mkfs.ext4") && !File.Exists("/sbin/mkfs.ext4"))
        {
            Generate(path);
            return "generated: seeded text-like and random extents of 4 KiB to 8 MiB";
        }

        var content = Path.Combine(folder, "content");
        var files = Gather(content);
        using (var file = new FileStream(path, FileMode.Create))
        {
            file.SetLength(Length);
        }

        using var make = Process.Start("mkfs.ext4", ["-q", "-F", "-d", content, path]);
        make.WaitForExit();
        Directory.Delete(content, recursive: true);
        return make.ExitCode == 0 ? $"ext4 made by mkfs.ext4 -d from {files:n0} files of this machine's /usr" : throw new InvalidOperationException("mkfs.ext4 failed.");
    }

    private static int Gather(string content)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        long gathered = 0;
        var count = 0;
        foreach (var file in Directory.EnumerateFiles("/usr", "*", options).Order(StringComparer.Ordinal))
        {
            var length = new FileInfo(file).Length;
            if (length > DataLength / 10)
            {
                continue;
            }

            var copy = content + file;
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
            gathered += (length + 4095) / 4096 * 4096;
            count++;
            if (gathered >= DataLength)
            {
                break;
            }
        }

        return count;
    }

    private static void Generate(string path)
    {
        var random = new Random(20_260_101);
        var words = Enumerable.Range(0, 4_096).Select(_ => new string([.. Enumerable.Range(0, random.Next(2, 11)).Select(_ => (char)random.Next('a', 'z' + 1))])).ToArray();
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        RandomAccess.SetLength(file, Length);
        long at = 0;
        for (long written = 0; written < DataLength;)
        {
            var extent = new byte[(4 << random.Next(12)) << 10];
            if (random.Next(3) == 0)
            {
                random.NextBytes(extent);
            }
            else
            {
                for (var filled = 0; filled < extent.Length;)
                {
                    var word = Encoding.ASCII.GetBytes(words[random.Next(words.Length)] + " ");
                    var part = Math.Min(word.Length, extent.Length - filled);
                    word.AsSpan(0, part).CopyTo(extent.AsSpan(filled));
                    filled += part;
                }
            }

            at = Math.Min(at, Length - extent.Length);
            RandomAccess.Write(file, extent, at);
            written += extent.Length;
            at += (extent.Length * 5L / 2) & ~4095L;
        }
    }
}
