using System.Buffers.Binary;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Formats that are known by their bytes and refused by name, because taken as raw they would become copies that no machine can start from.</summary>
internal static class ForeignFormats
{
    /// <summary>Bytes of a file's start that are looked at.</summary>
    public const int HeadLength = 512;

    private const int FooterLength = 512;
    private const string Convert = "Convert it with 'qemu-img convert -O qcow2' first.";
    private const string Expand = "Expand it first and import what is in it.";
    private const string Alone = "It holds no disk that could be found in it. Import the disk itself.";

    private sealed record Signature(string Code, string Name, int At, byte[] Bytes, string Advice);

    private static readonly Signature[] Signatures =
    [
        new("vhd", "a dynamic VHD", 0, [.. "conectix"u8], Convert),
        new("vdi", "a VirtualBox disk (VDI)", 64, [0x7F, 0x10, 0xDA, 0xBE], Convert),
        new("qed", "a QED disk", 0, [.. "QED\0"u8], Convert),
        new("parallels", "a Parallels disk", 0, [.. "WithoutFreeSpace"u8], Convert),
        new("parallels", "a Parallels disk", 0, [.. "WithouFreSpacExt"u8], Convert),
        new("vmfs-sparse", "an ESXi sparse extent (a snapshot)", 0, [.. "COWD"u8], "Consolidate the snapshots, or export the machine as OVA."),
        new("se-sparse", "an ESXi space-efficient extent (a snapshot)", 0, [0xBE, 0xBA, 0xFE, 0xCA, 0, 0, 0, 0], "Consolidate the snapshots, or export the machine as OVA."),
        new("luks", "an encrypted LUKS volume", 0, [.. "LUKS"u8, 0xBA, 0xBE], "Import the decrypted disk, or the whole disk with its partition table."),
        new("gzip", "compressed with gzip", 0, [0x1F, 0x8B, 0x08], Expand),
        new("xz", "compressed with xz", 0, [0xFD, .. "7zXZ\0"u8], Expand),
        new("zstd", "compressed with zstd", 0, [0x28, 0xB5, 0x2F, 0xFD], Expand),
        new("lz4", "compressed with lz4", 0, [0x04, 0x22, 0x4D, 0x18], Expand),
        new("zip", "a zip archive", 0, [.. "PK"u8, 3, 4], Expand),
        new("7z", "a 7-Zip archive", 0, [.. "7z"u8, 0xBC, 0xAF, 0x27, 0x1C], Expand),
        new("wim", "a Windows image (WIM)", 0, [.. "MSWIM\0\0\0"u8], "Apply it to a disk and import the disk."),
        new("tar", "a tar archive that does not begin with an .ovf", 257, [.. "ustar"u8], Alone),
    ];

    /// <exception cref="DiskFormatException">The file is in one of the refused formats.</exception>
    public static void Refuse(ImageFile file, ReadOnlySpan<byte> head)
    {
        foreach (var signature in Signatures)
        {
            if (head.Length >= signature.At + signature.Bytes.Length && head[signature.At..].StartsWith(signature.Bytes))
            {
                throw file.Fault(signature.Code, signature.At, $"The file is {signature.Name}. {signature.Advice}");
            }
        }

        // bzip2: the magic, the block size as a digit, and the start of the first block.
        if (head.Length >= 10 && head.StartsWith("BZh"u8) && head[3] is >= (byte)'1' and <= (byte)'9'
            && (head[4..].StartsWith((ReadOnlySpan<byte>)[0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) || head[4..].StartsWith((ReadOnlySpan<byte>)[0x17, 0x72, 0x45, 0x38, 0x50, 0x90])))
        {
            throw file.Fault("bzip2", 0, $"The file is compressed with bzip2. {Expand}");
        }

        if (head.Length >= 8 && head.StartsWith(Qcow2Header.Magic) && BinaryPrimitives.ReadUInt32BigEndian(head[4..]) == 1)
        {
            throw file.Fault("qcow", 4, $"The file is a QCOW disk of version 1. {Convert}");
        }

        RefuseFooter(file);
    }

    /// <summary>Formats that keep their mark at the end: a fixed VHD (512 bytes, 511 from old writers) and Apple's disk image.</summary>
    private static void RefuseFooter(ImageFile file)
    {
        Span<byte> tail = stackalloc byte[FooterLength];
        var at = file.Length - FooterLength;
        if (at < 0)
        {
            return;
        }

        file.ReadExactly(at, tail, "end of the file");
        if (tail.StartsWith("conectix"u8) || tail[1..].StartsWith("conectix"u8))
        {
            throw file.Fault("vhd", at, $"The file is a fixed VHD. {Convert}");
        }

        if (tail.StartsWith("koly"u8))
        {
            throw file.Fault("dmg", at, "The file is an Apple disk image. Convert it with 'qemu-img convert -O qcow2' first.");
        }
    }
}
