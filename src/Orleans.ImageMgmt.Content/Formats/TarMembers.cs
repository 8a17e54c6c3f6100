using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>One file in a tar archive: where its bytes are in the archive.</summary>
internal sealed record TarMember(string Name, long Offset, long Length)
{
    public bool HasExtension(string extension) => Name.EndsWith(extension, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Lists the files of a tar archive without unpacking it. Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended
/// Header"; long names and binary sizes as GNU tar writes them.</summary>
internal static class TarMembers
{
    /// <summary>Members of one archive; an OVA with one disk has three to six.</summary>
    public const int MaxMembers = 64;

    /// <summary>Bytes of an extended header or long name.</summary>
    public const int MaxExtendedLength = 64 << 10;

    private const int BlockLength = 512;
    private const int SizeAt = 124;
    private const int ChecksumAt = 148;
    private const int TypeAt = 156;
    private const int MagicAt = 257;
    private const int PrefixAt = 345;

    /// <summary>Whether the file is a tar archive whose first member is an OVF descriptor, which is what makes it an OVA.</summary>
    public static bool IsOva(ImageFile file, ReadOnlySpan<byte> head)
    {
        if (head.Length < BlockLength || !head[MagicAt..].StartsWith("ustar"u8))
        {
            return false;
        }

        try
        {
            return Read(file, maxMembers: 1) is [var first] && first.HasExtension(".ovf");
        }
        catch (DiskFormatException)
        {
            return false;
        }
    }

    public static List<TarMember> Read(ImageFile file) => Read(file, MaxMembers + 1) is { Count: <= MaxMembers } members
        ? members
        : throw file.Fault("members", 0, $"The archive has more than {MaxMembers} members. Make an OVA of the descriptor, its manifest and one disk.");

    private static List<TarMember> Read(ImageFile file, int maxMembers)
    {
        var members = new List<TarMember>();
        var block = new byte[BlockLength];
        string? longName = null;
        long? longSize = null;
        var extended = 0;
        for (long at = 0; members.Count < maxMembers && file.Holds(at, BlockLength);)
        {
            file.ReadExactly(at, block, "tar header");
            if (!block.AsSpan().ContainsAnyExcept((byte)0))
            {
                break;
            }

            CheckSum(file, block, at);
            var type = (char)block[TypeAt];
            var size = (type is 'x' or 'g' or 'L' ? null : longSize) ?? Number(file, block.AsSpan(SizeAt, 12), at + SizeAt);
            var content = at + BlockLength;
            if (!file.Holds(content, size))
            {
                throw file.Fault("truncated", at + SizeAt, $"A member is said to have {size} bytes, but the file ends at {file.Length}. Copy or export the file again: it is cut short or damaged.");
            }

            at = content + ((size + BlockLength - 1) & ~(BlockLength - 1L));
            if (type is 'x' or 'g' or 'L')
            {
                if (++extended > 2 * MaxMembers)
                {
                    throw file.Fault("members", content, "The archive has more extended headers than members could need: it is damaged.");
                }

                ReadExtended(file, content, size, type, ref longName, ref longSize);
                continue;
            }

            if (type is not ('0' or '\0'))
            {
                throw file.Fault("member-type", content - BlockLength + TypeAt, "The archive holds something else than plain files, which an OVA may not. Make it again with 'tar --format=ustar'.");
            }

            members.Add(new TarMember(longName ?? Name(block), content, size));
            longName = null;
            longSize = null;
        }

        return members;
    }

    private static void CheckSum(ImageFile file, byte[] block, long at)
    {
        var sum = 0L;
        for (var index = 0; index < BlockLength; index++)
        {
            sum += index is >= ChecksumAt and < ChecksumAt + 8 ? ' ' : block[index];
        }

        if (sum != Number(file, block.AsSpan(ChecksumAt, 8), at + ChecksumAt))
        {
            throw file.Fault("checksum", at + ChecksumAt, "A tar header does not have the checksum it names: the file is damaged. Copy or export it again.");
        }
    }

    /// <summary>Octal text, or big-endian binary where the first bit is set (GNU tar, for members from 8 GiB).</summary>
    private static long Number(ImageFile file, ReadOnlySpan<byte> field, long at)
    {
        if ((field[0] & 0x80) != 0 && field.Length == 12)
        {
            var high = BinaryPrimitives.ReadUInt32BigEndian(field) & 0x7FFF_FFFF;
            var low = BinaryPrimitives.ReadInt64BigEndian(field[4..]);
            return high == 0 && low >= 0 ? low : throw BadNumber(file, at);
        }

        var text = field.TrimStart((byte)' ');
        var end = text.IndexOfAny((byte)' ', (byte)0);
        text = end < 0 ? text : text[..end];
        long value = 0;
        foreach (var digit in text)
        {
            // Twelve octal digits cannot overflow.
            value = digit is >= (byte)'0' and <= (byte)'7' ? (value * 8) + (digit - '0') : throw BadNumber(file, at);
        }

        return text.IsEmpty ? throw BadNumber(file, at) : value;
    }

    private static DiskFormatException BadNumber(ImageFile file, long at) =>
        file.Fault("number", at, "A tar header has no number where one must be: the file is damaged. Copy or export it again.");

    private static string Name(byte[] block)
    {
        var name = Text(block.AsSpan(0, 100));
        var prefix = Text(block.AsSpan(PrefixAt, 155));
        return prefix.Length == 0 ? name : $"{prefix}/{name}";
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    private static void ReadExtended(ImageFile file, long at, long size, char type, ref string? name, ref long? length)
    {
        if (size > MaxExtendedLength)
        {
            throw file.Fault("extended-header", at, $"An extended tar header has {size} bytes; at most {MaxExtendedLength} can be taken. Make the archive again with 'tar --format=ustar'.");
        }

        var bytes = new byte[size];
        file.ReadExactly(at, bytes, "extended tar header");
        if (type == 'L')
        {
            name = Text(bytes);
            return;
        }

        // Records of the form "<length> <key>=<value>\n". Global ones could set a size for all members, which nobody does.
        ReadOnlySpan<byte> rest = bytes;
        while (type == 'x' && !rest.IsEmpty)
        {
            var space = rest.IndexOf((byte)' ');
            if (space <= 0 || !int.TryParse(rest[..space], NumberStyles.None, CultureInfo.InvariantCulture, out var record) || record <= space + 1 || record > rest.Length)
            {
                throw file.Fault("extended-header", at, "An extended tar header is damaged. Copy or export the file again.");
            }

            var pair = rest[(space + 1)..record].TrimEnd((byte)'\n');
            rest = rest[record..];
            if (pair.StartsWith("path="u8))
            {
                name = Text(pair[5..]);
            }
            else if (pair.StartsWith("size="u8))
            {
                length = long.TryParse(pair[5..], NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                    ? value
                    : throw file.Fault("extended-header", at, "An extended tar header names a size that is no number: the file is damaged. Copy or export it again.");
            }
        }
    }
}
