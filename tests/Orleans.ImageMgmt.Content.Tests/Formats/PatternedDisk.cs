using System.Security.Cryptography;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>Guest bytes with what mappings get wrong: runs across cluster and table bounds, single sectors, compressible and random bytes, holes, written zeros.</summary>
internal static class PatternedDisk
{
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;

    public static byte[] Make(int length, int seed = 7)
    {
        var bytes = new byte[length];
        var random = new Random(seed);
        void Noise(int offset, int count) => random.NextBytes(Part(bytes, offset, count));
        void Text(int offset, int count)
        {
            var part = Part(bytes, offset, count);
            for (var index = 0; index < part.Length; index++)
            {
                part[index] = (byte)('a' + ((offset + index) / 97 % 26));
            }
        }

        Noise(0, 4 * KiB);
        Noise(64 * KiB, 512);
        Text((2 * MiB) - (96 * KiB), 200 * KiB);
        Noise((4 * MiB) + 512, 3 * MiB);
        Text(9 * MiB, MiB + 1);
        Noise((16 * MiB) - 1, 2);
        Text((20 * MiB) + (63 * KiB), 130 * KiB);
        Noise(length - 700, 700);
        return bytes;
    }

    /// <summary>Reads an image in uneven steps and by its own data ranges, and compares both with what the guest should see.</summary>
    public static void AssertHolds(byte[] expected, DiskImage image, SourceFormat format)
    {
        Assert.Equal(format, image.Format);
        Assert.Equal(expected.Length, image.Length);
        var all = new byte[expected.Length + 100];
        var steps = new[] { 1, 511, 65_536, 4_096, 1 << 20, 333_333, 3 << 20 };
        long offset = 0;
        for (var turn = 0; ; turn++)
        {
            var step = Math.Min(steps[turn % steps.Length], all.Length - (int)offset);
            var read = image.Read(offset, all.AsSpan((int)offset, step));
            if (read == 0)
            {
                break;
            }

            offset += read;
        }

        Assert.Equal(expected.Length, offset);
        Assert.Equal(Convert.ToHexString(SHA256.HashData(expected)), Convert.ToHexString(SHA256.HashData(all.AsSpan(0, expected.Length))));
        AssertRanges(expected, image);
    }

    private static void AssertRanges(byte[] expected, DiskImage image)
    {
        long position = 0;
        var byRanges = new byte[expected.Length];
        for (var range = image.NextData(0); range is { } found; range = image.NextData(found.End))
        {
            Assert.True(found.Length > 0 && found.Offset >= position && found.End <= expected.Length, $"{found} after {position}");
            Assert.False(Part(expected, (int)position, (int)(found.Offset - position)).ContainsAnyExcept((byte)0), $"data before {found}, after {position}");
            var target = byRanges.AsSpan((int)found.Offset, (int)found.Length);
            while (!target.IsEmpty)
            {
                var read = image.Read(found.End - target.Length, target);
                Assert.True(read > 0);
                target = target[read..];
            }

            position = found.End;
        }

        Assert.False(expected.AsSpan((int)position).ContainsAnyExcept((byte)0), $"data after the last range, which ended at {position}");
        Assert.True(expected.AsSpan().SequenceEqual(byRanges));
        Assert.Null(image.NextData(expected.Length));
    }

    private static Span<byte> Part(byte[] bytes, int offset, int count)
    {
        var start = Math.Min(offset, bytes.Length);
        return bytes.AsSpan(start, Math.Clamp(count, 0, bytes.Length - start));
    }
}
