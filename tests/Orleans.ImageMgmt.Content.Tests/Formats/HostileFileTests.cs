using System.Buffers.Binary;
using System.Formats.Tar;
using System.Globalization;
using System.Numerics;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>Valid small images with seeded damage: whatever the bytes, only the two agreed exceptions come out, reading ends, and memory is bounded.</summary>
/// <remarks><c>IMAGEMGMT_FUZZ_ITERATIONS</c> sets how often each image is damaged, <c>IMAGEMGMT_FUZZ_SEED</c> where the seeds start. A failure
/// names its seed: that seed with one iteration repeats it.</remarks>
public sealed class HostileFileTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const int DefaultIterations = 400;
    private const long MaxAllocated = 64 * MiB;
    private const int MaxSteps = 64;
    private readonly ImageFolder folder = new();
    private readonly byte[] buffer = new byte[256 << 10];

    [Theory]
    [InlineData("convert -O qcow2 -o compat=0.10")]
    [InlineData("convert -O qcow2 -o cluster_size=4k")]
    [InlineData("convert -O qcow2 -o cluster_size=2M")]
    [InlineData("convert -c -O qcow2 -o compression_type=zlib")]
    [InlineData("convert -c -O qcow2 -o compression_type=zstd")]
    [InlineData("convert -O vmdk")]
    [InlineData("convert -O vmdk -o subformat=streamOptimized")]
    [InlineData("convert -O vhdx -o block_size=1M,log_size=1M")]
    [InlineData("stream")]
    [InlineData("ova")]
    [InlineData("iso")]
    public void A_damaged_image_never_crashes_hangs_or_takes_memory(string kind)
    {
        var original = Make(kind);
        var iterations = Setting("IMAGEMGMT_FUZZ_ITERATIONS", DefaultIterations);
        var first = Setting("IMAGEMGMT_FUZZ_SEED", 20_260_101);
        folder.WriteRaw("image", original);
        using var file = File.OpenHandle(folder.PathOf("image"), FileMode.Open, FileAccess.ReadWrite);
        var refused = 0;
        for (var seed = first; seed < first + iterations; seed++)
        {
            var random = new Random(seed);
            var changes = Damage(original, random, out var length);
            foreach (var (offset, bytes) in changes)
            {
                RandomAccess.Write(file, bytes, offset);
            }

            RandomAccess.SetLength(file, length);
            refused += Try(file, random, kind, seed) ? 0 : 1;
            Restore(file, original, changes, length);
        }

        Assert.True(refused > 0 || iterations < DefaultIterations, "No damage was ever noticed: the damage does not reach what is read.");
    }

    public void Dispose() => folder.Dispose();

    private bool Try(SafeFileHandle file, Random random, string kind, int seed)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var isRead = false;
        try
        {
            using var image = DiskImages.Open(file, expected: null);
            Walk(image, random);
            isRead = true;
        }
        catch (Exception error) when (error is DiskFormatException or IOException)
        {
            Assert.False(string.IsNullOrWhiteSpace(error.Message));
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"'{kind}' with seed {seed} let out {error.GetType().Name}.", error);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < MaxAllocated, $"'{kind}' with seed {seed} allocated {allocated} bytes.");
        return isRead;
    }

    private void Walk(DiskImage image, Random random)
    {
        long position = 0;
        for (var step = 0; step < MaxSteps && image.NextData(position) is { } range; step++)
        {
            if (range.Offset < position || range.Length <= 0 || range.End > image.Length)
            {
                throw new InvalidOperationException($"Range {range} after {position} of {image.Length}.");
            }

            Read(image, range.Offset);
            Read(image, Math.Max(range.Offset, range.End - buffer.Length));
            position = range.End;
        }

        for (var step = 0; step < 4; step++)
        {
            Read(image, random.NextInt64(image.Length));
        }
    }

    private void Read(DiskImage image, long offset)
    {
        for (var reads = 0; reads < 4; reads++)
        {
            var read = image.Read(offset, buffer);
            if (read < 0 || read > buffer.Length || (read == 0 && offset < image.Length))
            {
                throw new InvalidOperationException($"{read} bytes read at {offset} of {image.Length}.");
            }

            offset += read;
        }
    }

    private byte[] Make(string kind)
    {
        var disk = PatternedDisk.Make(3 * MiB);
        switch (kind)
        {
            case "stream":
                return StreamedVmdk.Make(disk);
            case "ova":
                // Without a manifest, damage gets past the descriptor.
                return OvaTests.Tar(TarEntryFormat.Pax, ("vm.ovf", OvaTests.Ovf(OvaTests.File("disk.vmdk"), OvaTests.Disk())), ("disk.vmdk", StreamedVmdk.Make(disk)));
            case "iso":
                Iso.Mark(disk);
                return disk;
            default:
                folder.WriteRaw("disk.raw", disk);
                folder.Run($"qemu-img {kind} -f raw disk.raw image");
                return File.ReadAllBytes(folder.PathOf("image"));
        }
    }

    private static List<(long Offset, byte[] Bytes)> Damage(byte[] original, Random random, out long length)
    {
        length = random.Next(12) == 0 ? random.NextInt64(original.Length + 1) : original.Length;
        var changes = new List<(long, byte[])>();
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            var at = Place(original, random);
            changes.Add((at, random.Next(4) switch
            {
                0 => [(byte)(original[at] ^ (1 << random.Next(8)))],
                1 => Field(random, 4, original.Length),
                2 => Field(random, 8, original.Length),
                _ => original.AsSpan((int)random.NextInt64(original.Length - 512), random.Next(1, 512)).ToArray(),
            }));
        }

        changes.RemoveAll(change => change.Item1 + change.Item2.Length > original.Length);
        if (random.Next(3) > 0 && original.AsSpan().StartsWith("vhdxfile"u8))
        {
            changes.AddRange(Checksums(original, changes));
        }

        return changes;
    }

    /// <summary>Mostly where something stands: a random place near bytes that are not zero, often in the first kilobyte.</summary>
    private static long Place(byte[] original, Random random)
    {
        if (random.Next(3) == 0)
        {
            return random.Next(1 << 10) & ~(random.Next(2) * 3);
        }

        var start = random.NextInt64(original.Length - 16) & ~7L;
        var next = original.AsSpan((int)start).IndexOfAnyExcept((byte)0);
        return next < 0 ? start : Math.Min(start + next, original.Length - 16);
    }

    private static byte[] Field(Random random, int size, long length)
    {
        long[] values = [0, 1, -1, 511, 512, 65_536, length, length - 1, length + 1, length / 512, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, 1L << 62, random.NextInt64()];
        var value = values[random.Next(values.Length)];
        var bytes = new byte[8];
        if (random.Next(2) == 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
            return bytes[..size];
        }

        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes[^size..];
    }

    /// <summary>Makes the checksums of a damaged VHDX right again, so that what stands behind them is read.</summary>
    private static List<(long, byte[])> Checksums(byte[] original, List<(long Offset, byte[] Bytes)> changes)
    {
        var sums = new List<(long, byte[])>();
        foreach (var (offset, length) in new[] { (64 << 10, 4 << 10), (128 << 10, 4 << 10), (192 << 10, 64 << 10), (256 << 10, 64 << 10) })
        {
            var part = original.AsSpan(offset, length).ToArray();
            foreach (var change in changes)
            {
                for (var index = 0; index < change.Bytes.Length; index++)
                {
                    if (change.Offset + index - offset is var at && at >= 0 && at < length)
                    {
                        part[at] = change.Bytes[index];
                    }
                }
            }

            part.AsSpan(4, 4).Clear();
            var crc = uint.MaxValue;
            for (var at = 0; at < length; at += 8)
            {
                crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(part.AsSpan(at)));
            }

            var sum = new byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(sum, ~crc);
            sums.Add((offset + 4, sum));
        }

        return sums;
    }

    private static void Restore(SafeFileHandle file, byte[] original, List<(long Offset, byte[] Bytes)> changes, long length)
    {
        foreach (var (offset, bytes) in changes)
        {
            RandomAccess.Write(file, original.AsSpan((int)offset, bytes.Length), offset);
        }

        if (length < original.Length)
        {
            RandomAccess.Write(file, original.AsSpan((int)length), length);
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
