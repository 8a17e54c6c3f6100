using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>The text part of a VMDK: which files make up the disk. Source: VMware, Virtual Disk Format 5.0, "The Descriptor File".</summary>
internal static class VmdkDescriptor
{
    /// <summary>Bytes of descriptor text read; VMware writes 10 KiB.</summary>
    public const int MaxLength = 64 << 10;

    private const string NoParent = "ffffffff";
    private static readonly string[] Whole = ["monolithicSparse", "streamOptimized"];

    /// <summary>What every descriptor file begins with.</summary>
    public static ReadOnlySpan<byte> Start => "# Disk DescriptorFile"u8;

    /// <summary>Checks the descriptor inside a sparse extent.</summary>
    /// <param name="sector">First sector of it, as the header gives it.</param>
    /// <param name="sectors">Its length in sectors, as the header gives it.</param>
    public static void Read(ImageFile file, ulong sector, ulong sectors)
    {
        if (sector == 0 || sectors == 0)
        {
            throw Part(file);
        }

        if (sectors > MaxLength / VmdkHeader.SectorLength || sector > (ulong)(file.Length / VmdkHeader.SectorLength))
        {
            throw file.Fault("descriptor", 28, $"The descriptor is said to have {sectors} sectors at sector {sector}: the file is cut short or damaged. Copy or export it again.");
        }

        var offset = (long)sector * VmdkHeader.SectorLength;
        var text = Text(file, offset, (int)sectors * VmdkHeader.SectorLength);

        // Some writers leave room for a descriptor in every extent and write it to a file of its own.
        if (text.Length == 0)
        {
            throw Part(file);
        }

        Check(file, offset, text);
    }

    /// <summary>The fault for a file that is a descriptor only.</summary>
    public static DiskFormatException Refuse(ImageFile file)
    {
        var fields = Fields(Text(file, 0, (int)Math.Min(file.Length, MaxLength)));
        var type = fields.GetValueOrDefault("createType", "unknown");
        return file.Fault("descriptor-only", 0, $"This file only describes a disk of type '{Shown(type)}' whose data is in other files. Convert it with 'qemu-img convert -O vmdk -o subformat=streamOptimized' or export it as OVA, so that one file holds the whole disk.");
    }

    private static DiskFormatException Part(ImageFile file) =>
        file.Fault("part", 28, "This file is one extent of a disk in several files. Convert the whole disk, named by its descriptor file, with 'qemu-img convert -O vmdk', or export it as OVA.");

    private static string Text(ImageFile file, long offset, int length)
    {
        var bytes = new byte[length];
        file.ReadExactly(offset, bytes, "VMDK descriptor");
        var end = bytes.AsSpan().IndexOf((byte)0);
        return Encoding.Latin1.GetString(bytes, 0, end < 0 ? length : end);
    }

    private static void Check(ImageFile file, long at, string text)
    {
        if (!text.StartsWith("# Disk DescriptorFile", StringComparison.Ordinal))
        {
            throw file.Fault("descriptor", at, "There is no VMDK descriptor where the header says: the file is damaged. Copy or export it again.");
        }

        var fields = Fields(text);
        var parent = fields.GetValueOrDefault("parentCID", NoParent);
        if (!parent.Equals(NoParent, StringComparison.OrdinalIgnoreCase) || fields.ContainsKey("parentFileNameHint"))
        {
            throw file.Fault("parent", at, $"This VMDK is a snapshot or linked clone of another disk (parent CID {Shown(parent)}), so it does not hold the whole disk. Consolidate the snapshots, or clone it to a full disk.");
        }

        if (fields.Keys.Any(static key => key.StartsWith("encryption", StringComparison.OrdinalIgnoreCase) || key.StartsWith("ddb.encryption", StringComparison.OrdinalIgnoreCase))
            || fields.GetValueOrDefault("ddb.iofilters", "").Contains("vmwarevmcrypt", StringComparison.OrdinalIgnoreCase))
        {
            throw file.Fault("encrypted", at, "This VMDK is encrypted; its guest-visible bytes cannot be read. Decrypt the machine, or export it without encryption.");
        }

        var type = fields.GetValueOrDefault("createType", "");
        if (!Whole.Contains(type, StringComparer.OrdinalIgnoreCase))
        {
            throw file.Fault("type", at, $"This VMDK is of type '{Shown(type)}'; monolithicSparse and streamOptimized can be taken. Convert it with 'qemu-img convert -O vmdk', or export it as OVA.");
        }

        var extents = text.Split('\n').Count(static line => IsExtent(line));
        if (extents != 1)
        {
            throw file.Fault("extents", at, string.Create(CultureInfo.InvariantCulture, $"The descriptor names {extents} extents; exactly one can be taken. Convert it with 'qemu-img convert -O vmdk'."));
        }
    }

    private static bool IsExtent(string line) =>
        line.StartsWith("RW ", StringComparison.OrdinalIgnoreCase)
        || line.StartsWith("RDONLY ", StringComparison.OrdinalIgnoreCase)
        || line.StartsWith("NOACCESS ", StringComparison.OrdinalIgnoreCase);

    private static Dictionary<string, string> Fields(string text)
    {
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var line in text.Split('\n'))
        {
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && line[0] != '#')
            {
                fields.TryAdd(line[..equals].Trim(), line[(equals + 1)..].Trim().Trim('"'));
            }
        }

        return fields;
    }

    /// <summary>Text from the file as it may stand in a message.</summary>
    private static string Shown(string text) => string.Concat(text.Where(char.IsAsciiLetterOrDigit).Take(40));
}
