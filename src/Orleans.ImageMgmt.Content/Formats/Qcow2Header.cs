using System.Buffers.Binary;
using System.Text;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>The checked header of a qcow2 file, version 2 or 3. Source: QEMU, <c>docs/interop/qcow2.txt</c>.</summary>
internal sealed record Qcow2Header(int Version, int ClusterBits, long Length, long L1Offset, long L1Entries, Packing Packing)
{
    /// <summary>Bytes of an L1 table: the bound QEMU sets itself.</summary>
    public const long MaxL1Length = 32L << 20;

    /// <summary>Header extensions read before the list counts as damaged.</summary>
    public const int MaxExtensions = 64;

    private const int Version2Length = 72;
    private const int Version3Length = 104;
    private const int MinClusterBits = 9;
    private const int MaxClusterBits = 21;
    private const uint EndExtension = 0;
    private const uint FeatureNamesExtension = 0x6803F857;
    private const int FeatureNameLength = 48;

    private const ulong Dirty = 1;
    private const ulong Corrupt = 2;
    private const ulong ExternalFile = 4;
    private const ulong CompressionType = 8;
    private const ulong ExtendedL2 = 16;
    private const ulong KnownFeatures = 31;

    public static ReadOnlySpan<byte> Magic => [0x51, 0x46, 0x49, 0xFB];

    public long ClusterLength => 1L << ClusterBits;

    /// <summary>Entries of one L2 table, as a power of two.</summary>
    public int L2Bits => ClusterBits - 3;

    public static Qcow2Header Read(ImageFile file)
    {
        var bytes = new byte[Version3Length + 8];
        file.ReadExactly(0, bytes.AsSpan(0, Version2Length), "qcow2 header");
        var version = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(4));
        if (version is not (2 or 3))
        {
            throw file.Fault("version", 4, $"This is qcow2 version {version}; versions 2 and 3 can be taken. Convert it with 'qemu-img convert -O qcow2'.");
        }

        var clusterBits = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(20));
        if (clusterBits is < MinClusterBits or > MaxClusterBits)
        {
            throw file.Fault("cluster-bits", 20, $"The header gives 2^{clusterBits} bytes per cluster; 2^{MinClusterBits} to 2^{MaxClusterBits} are possible. The file is damaged.");
        }

        var packing = Packing.Deflate;
        if (version == 3)
        {
            file.ReadExactly(0, bytes.AsSpan(0, Version3Length), "qcow2 header");
            packing = CheckVersion3(file, bytes, 1L << (int)clusterBits);
        }

        RefuseOutside(file, bytes);
        return CheckTable(file, bytes, (int)version, (int)clusterBits, packing);
    }

    /// <summary>What a self-contained plain disk does not have.</summary>
    private static void RefuseOutside(ImageFile file, byte[] bytes)
    {
        if (BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(8)) != 0)
        {
            throw file.Fault("backing-file", 8, "This qcow2 is an overlay on a backing file, so it does not hold the whole disk. Flatten it with 'qemu-img convert -O qcow2' or 'qemu-img rebase -b \"\"'.");
        }

        var encryption = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(32));
        if (encryption != 0)
        {
            var method = encryption switch { 1 => "AES", 2 => "LUKS", _ => $"method {encryption}" };
            throw file.Fault("encrypted", 32, $"This qcow2 is encrypted ({method}); its guest-visible bytes cannot be read. Convert it to an unencrypted qcow2 first.");
        }
    }

    private static Packing CheckVersion3(ImageFile file, byte[] bytes, long clusterLength)
    {
        var headerLength = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(100));
        if (headerLength < Version3Length || headerLength > clusterLength || headerLength % 8 != 0)
        {
            throw file.Fault("header-length", 100, $"The header gives its own length as {headerLength}; a multiple of 8 from {Version3Length} to one cluster is possible. The file is damaged.");
        }

        var features = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(72));
        var unknown = features & ~KnownFeatures;
        if (unknown != 0)
        {
            var bit = System.Numerics.BitOperations.TrailingZeroCount(unknown);
            throw file.Fault("feature", 72, $"This qcow2 uses the incompatible feature '{FeatureName(file, headerLength, bit)}' (bit {bit}), which is not known here. Convert it with 'qemu-img convert -O qcow2' first.");
        }

        RefuseFeatures(file, features);
        var refcountOrder = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(96));
        if (refcountOrder > 6)
        {
            throw file.Fault("refcount-order", 96, $"The header gives 2^{refcountOrder} bits per reference count; at most 2^6 are possible. The file is damaged.");
        }

        byte type = 0;
        if (headerLength > Version3Length)
        {
            file.ReadExactly(Version3Length, bytes.AsSpan(Version3Length, 1), "qcow2 header");
            type = bytes[Version3Length];
        }

        // The feature bit must be set exactly when the type is not the one that older readers assume.
        return (type, (features & CompressionType) != 0) switch
        {
            (0, false) => Packing.Deflate,
            (1, true) => Packing.Zstd,
            _ => throw file.Fault("compression-type", Version3Length, $"The header gives compression type {type} and its feature bit as {(features & CompressionType) >> 3}: zlib (0, 0) and zstd (1, 1) can be taken. Convert it with 'qemu-img convert -O qcow2' first."),
        };
    }

    private static void RefuseFeatures(ImageFile file, ulong features)
    {
        if ((features & Corrupt) != 0)
        {
            throw file.Fault("corrupt", 72, "This qcow2 is marked corrupt by the program that wrote it. Repair it with 'qemu-img check -r all', look at the result, and try again.");
        }

        if ((features & Dirty) != 0)
        {
            throw file.Fault("dirty", 72, "This qcow2 was not closed cleanly, or a machine is running on it. Shut the machine down, run 'qemu-img check -r all', and try again.");
        }

        if ((features & ExternalFile) != 0)
        {
            throw file.Fault("data-file", 72, "This qcow2 keeps its data in another file. Convert it with 'qemu-img convert -O qcow2' so that one file holds the whole disk.");
        }

        if ((features & ExtendedL2) != 0)
        {
            throw file.Fault("extended-l2", 72, "This qcow2 has extended L2 entries (subclusters), which are not read here. Convert it with 'qemu-img convert -O qcow2 -o extended_l2=off'.");
        }
    }

    /// <summary>The name that the file itself gives to a feature bit, in its feature name table.</summary>
    private static string FeatureName(ImageFile file, long offset, int bit)
    {
        Span<byte> head = stackalloc byte[8];
        Span<byte> entry = stackalloc byte[FeatureNameLength];
        for (var count = 0; count < MaxExtensions && file.Holds(offset, head.Length); count++)
        {
            file.ReadExactly(offset, head, "header extension");
            var type = BinaryPrimitives.ReadUInt32BigEndian(head);
            var length = BinaryPrimitives.ReadUInt32BigEndian(head[4..]);
            offset += head.Length;
            if (type == EndExtension || !file.Holds(offset, length))
            {
                break;
            }

            for (long at = 0; type == FeatureNamesExtension && at + FeatureNameLength <= Math.Min(length, 64L * 3 * FeatureNameLength); at += FeatureNameLength)
            {
                file.ReadExactly(offset + at, entry, "feature name table");
                if (entry[0] == 0 && entry[1] == bit)
                {
                    var name = Encoding.ASCII.GetString(entry[2..]).TrimEnd('\0');
                    return string.Concat(name.Where(static letter => !char.IsControl(letter)));
                }
            }

            offset += (length + 7L) & ~7L;
        }

        return "unnamed";
    }

    private static Qcow2Header CheckTable(ImageFile file, byte[] bytes, int version, int clusterBits, Packing packing)
    {
        var size = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(24));
        if (size is 0 or > Limits.DiskLength)
        {
            throw file.Fault("size", 24, $"The header gives a disk of {size} bytes; 1 to {Limits.DiskLength} can be taken.");
        }

        var entries = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(36));
        if (entries * 8L > MaxL1Length)
        {
            throw file.Fault("l1-size", 36, $"The L1 table has {entries} entries; at most {MaxL1Length / 8} are possible. The file is damaged.");
        }

        var perEntry = 2 * clusterBits - 3;
        var needed = (long)((size - 1) >> perEntry) + 1;
        if (entries < needed)
        {
            throw file.Fault("l1-size", 36, $"The L1 table has {entries} entries, but a disk of {size} bytes needs {needed}. The file is damaged.");
        }

        var offset = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(40));
        if (offset == 0 || (offset & ((1UL << clusterBits) - 1)) != 0)
        {
            throw file.Fault("l1-offset", 40, $"The L1 table is said to be at {offset}, which is no cluster boundary. The file is damaged.");
        }

        if (!file.Holds(offset, entries * 8UL))
        {
            throw file.Fault("truncated", 40, $"The L1 table is said to be at {offset}, but the file ends at {file.Length}. Copy the file again: it is cut short or damaged.");
        }

        return new Qcow2Header(version, clusterBits, (long)size, (long)offset, needed, packing);
    }
}
