using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>Writes a streamOptimized VMDK the way VMware exports one: front to back, with tables and footer at the end. QEMU never does.</summary>
internal static class StreamedVmdk
{
    private const int Sector = 512;
    private const int GrainLength = 64 << 10;
    private const int TableEntries = 512;
    private const int OverheadSectors = 128;

    public static byte[] Make(byte[] disk, bool withFooter = true)
    {
        using var stream = new MemoryStream();
        stream.Write(Header((ulong)disk.Length / Sector, ulong.MaxValue));
        stream.Write(Encoding.ASCII.GetBytes($"""
            # Disk DescriptorFile
            version=1
            CID=12345678
            parentCID=ffffffff
            createType="streamOptimized"
            RDONLY {disk.Length / Sector} SPARSE "disk.vmdk"
            """.ReplaceLineEndings("\n")));
        Pad(stream, OverheadSectors * Sector);
        var grains = (disk.Length + GrainLength - 1) / GrainLength;
        var directory = new List<uint>();
        for (var first = 0; first < grains; first += TableEntries)
        {
            directory.Add(WriteTable(stream, disk, first, Math.Min(TableEntries, grains - first)));
        }

        Mark(stream, (directory.Count * 4 + Sector - 1) / Sector, type: 2);
        var directorySector = (ulong)stream.Position / Sector;
        Write(stream, directory);
        if (withFooter)
        {
            Mark(stream, 1, type: 3);
            stream.Write(Header((ulong)disk.Length / Sector, directorySector));
            Mark(stream, 0, type: 0);
        }

        return stream.ToArray();
    }

    private static uint WriteTable(MemoryStream stream, byte[] disk, int first, int count)
    {
        var table = new uint[TableEntries];
        for (var index = 0; index < count; index++)
        {
            var start = (first + index) * GrainLength;
            var grain = new byte[GrainLength];
            disk.AsSpan(start, Math.Min(GrainLength, disk.Length - start)).CopyTo(grain);
            if (!grain.AsSpan().ContainsAnyExcept((byte)0))
            {
                continue;
            }

            table[index] = (uint)(stream.Position / Sector);
            using var packed = new MemoryStream();
            using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            {
                zlib.Write(grain);
            }

            var marker = new byte[12];
            BinaryPrimitives.WriteUInt64LittleEndian(marker, (ulong)start / Sector);
            BinaryPrimitives.WriteUInt32LittleEndian(marker.AsSpan(8), (uint)packed.Length);
            stream.Write(marker);
            packed.WriteTo(stream);
            Pad(stream, Sector);
        }

        if (!table.AsSpan().ContainsAnyExcept(0u))
        {
            return 0;
        }

        Mark(stream, TableEntries * 4 / Sector, type: 1);
        var sector = (uint)(stream.Position / Sector);
        Write(stream, table);
        return sector;
    }

    private static byte[] Header(ulong sectors, ulong directorySector)
    {
        var header = new byte[Sector];
        "KDMV"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), 0x30001);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(12), sectors);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(20), GrainLength / Sector);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(28), 1);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(36), 20);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(44), TableEntries);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(56), directorySector);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(64), OverheadSectors);
        "\n \r\n"u8.CopyTo(header.AsSpan(73));
        header[77] = 1;
        return header;
    }

    private static void Mark(MemoryStream stream, int sectors, uint type)
    {
        var marker = new byte[Sector];
        BinaryPrimitives.WriteUInt64LittleEndian(marker, (ulong)sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(marker.AsSpan(12), type);
        stream.Write(marker);
    }

    private static void Write(MemoryStream stream, IEnumerable<uint> entries)
    {
        var bytes = new byte[4];
        foreach (var entry in entries)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, entry);
            stream.Write(bytes);
        }

        Pad(stream, Sector);
    }

    private static void Pad(MemoryStream stream, int unit) => stream.Write(new byte[(unit - (int)(stream.Position % unit)) % unit]);
}
