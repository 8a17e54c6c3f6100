using System.Buffers.Binary;
using System.Numerics;
using Orleans.ImageMgmt.Content.Formats;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>Damage behind the headers: tables that lie, files that end too early, compressed data that is none.</summary>
public sealed class DamageTests : IDisposable
{
    private const int MiB = 1 << 20;
    private readonly ImageFolder folder = new();

    [Theory]
    [InlineData("qcow2.reserved-bits", "8000000000000001")]
    [InlineData("qcow2.unaligned", "8000000000000200")]
    [InlineData("qcow2.truncated", "80ffffffffff0000")]
    public void An_L1_entry_that_lies_is_refused_at_open_with_its_offset(string code, string entry)
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(4 * MiB));
        folder.Run("qemu-img convert -f raw -O qcow2 disk.raw image");
        var table = ReadBigEndian(40);
        folder.Patch("image", table, entry);
        using var file = folder.OpenFile("image");
        var error = Assert.Throws<DiskFormatException>(() => DiskImages.Open(file, expected: null));
        Assert.Equal((code, table), (error.Code, error.Offset));
    }

    [Theory]
    [InlineData("qcow2.reserved-bits", "8000000000000002")]
    [InlineData("qcow2.unaligned", "8000000000000200")]
    [InlineData("qcow2.truncated", "80ffffffffff0000")]
    [InlineData("qcow2.truncated", "407fffffffffffff")]
    [InlineData("qcow2.compressed", "4000000000000200")]
    public void An_L2_entry_that_lies_is_refused_when_it_is_read(string code, string entry)
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(4 * MiB));
        folder.Run("qemu-img convert -f raw -O qcow2 disk.raw image");
        var table = ReadBigEndian(ReadBigEndian(40)) & 0xFFFF_FFFF_FFFF;
        folder.Patch("image", table, entry);
        var error = folder.Refusal("image");
        Assert.Equal((code, code == "qcow2.compressed" ? 0x200 : table), (error.Code, error.Offset));
    }

    [Fact]
    public void A_map_that_uses_one_cluster_for_many_places_is_refused()
    {
        folder.Run("qemu-img create -f qcow2 image 400M");
        folder.Run("qemu-io -f qcow2 -c write~-P~5~0~64k image");
        var table = ReadBigEndian(ReadBigEndian(40)) & 0xFFFF_FFFF_FFFF;
        var entry = ReadBigEndian(table).ToString("x16", null);
        folder.Patch("image", table, string.Concat(Enumerable.Repeat(entry, 6_400)));
        Assert.Equal("qcow2.overlap", folder.Refusal("image").Code);
    }

    [Fact]
    public void The_last_cluster_may_be_short_and_reads_as_zeros_behind_the_end()
    {
        folder.Run("qemu-img create -f qcow2 image 1M");
        folder.Run("qemu-io -f qcow2 -c write~-P~5~0~64k image");
        var length = new FileInfo(folder.PathOf("image")).Length - 65_536 + 4_096;
        folder.Truncate("image", length);
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, expected: null);
        var buffer = new byte[65_536];
        Assert.Equal(buffer.Length, image.Read(0, buffer));
        Assert.False(buffer.AsSpan(0, 4_096).ContainsAnyExcept((byte)5));
        Assert.False(buffer.AsSpan(4_096).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData("-c -O qcow2 -o compression_type=zlib", "qcow2.")]
    [InlineData("-c -O qcow2 -o compression_type=zstd", "qcow2.")]
    [InlineData("-O qcow2", "qcow2.truncated")]
    [InlineData("-O vmdk", "vmdk.truncated")]
    [InlineData("-O vmdk -o subformat=streamOptimized", "vmdk.")]
    [InlineData("-O vhdx", "vhdx.truncated")]
    public void A_file_cut_in_half_is_refused(string options, string code)
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(24 * MiB));
        folder.Run($"qemu-img convert -f raw {options} disk.raw image");
        folder.Truncate("image", new FileInfo(folder.PathOf("image")).Length / 2);
        Assert.StartsWith(code, folder.Refusal("image").Code, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-c -O qcow2 -o compression_type=zlib", "qcow2.compressed")]
    [InlineData("-c -O qcow2 -o compression_type=zstd", "qcow2.compressed")]
    [InlineData("-O vmdk -o subformat=streamOptimized", "vmdk.")]
    public void Compressed_data_that_is_none_is_refused(string options, string code)
    {
        var letters = new byte[8 * MiB];
        new Random(3).GetItems("abcdefgh"u8, letters);
        folder.WriteRaw("disk.raw", letters);
        folder.Run($"qemu-img convert -f raw {options} disk.raw image");
        var length = new FileInfo(folder.PathOf("image")).Length;
        folder.Patch("image", length / 2, new string('7', 400_000));
        Assert.StartsWith(code, folder.Refusal("image").Code, StringComparison.Ordinal);
    }

    [Fact]
    public void A_grain_with_the_marker_of_another_is_refused()
    {
        var bytes = StreamedVmdk.Make(PatternedDisk.Make(4 * MiB));
        folder.WriteRaw("image", bytes);
        folder.Patch("image", 128 * 512, "01");
        Assert.Equal(("vmdk.marker", 128 * 512L), (folder.Refusal("image").Code, folder.Refusal("image").Offset));
    }

    [Fact]
    public void A_VHDX_with_changes_in_its_log_is_refused()
    {
        MakeVhdx();
        PatchHeaders(48, "0102030405060708090a0b0c0d0e0f10");
        Assert.Equal("vhdx.log", folder.Refusal("image").Code);
    }

    [Fact]
    public void A_VHDX_of_another_version_is_refused()
    {
        MakeVhdx();
        PatchHeaders(66, "0200");
        Assert.Equal("vhdx.version", folder.Refusal("image").Code);
    }

    [Fact]
    public void A_VHDX_whose_headers_are_both_damaged_is_refused_and_one_is_enough()
    {
        MakeVhdx();
        folder.Patch("image", (64 << 10) + 100, "ff");
        using (var file = folder.OpenFile("image"))
        using (var image = DiskImages.Open(file, expected: null))
        {
            Assert.Equal(4 * MiB, image.Length);
        }

        folder.Patch("image", (128 << 10) + 100, "ff");
        Assert.Equal("vhdx.header", folder.Refusal("image").Code);
    }

    [Fact]
    public void A_VHDX_whose_region_tables_are_both_damaged_is_refused_and_one_is_enough()
    {
        MakeVhdx();
        folder.Patch("image", (192 << 10) + 5_000, "ff");
        using (var file = folder.OpenFile("image"))
        using (var image = DiskImages.Open(file, expected: null))
        {
            Assert.Equal(4 * MiB, image.Length);
        }

        folder.Patch("image", (256 << 10) + 5_000, "ff");
        Assert.Equal("vhdx.regions", folder.Refusal("image").Code);
    }

    [Theory]
    [InlineData("vhdx.parent", "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 4, "02")]
    [InlineData("vhdx.block-size", "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 0, "01")]
    [InlineData("vhdx.size", "2FA54224-CD1B-4876-B211-5DBED83BF4B8", 0, "ffffffffffffffff")]
    [InlineData("vhdx.size", "2FA54224-CD1B-4876-B211-5DBED83BF4B8", 0, "0000000000000000")]
    [InlineData("vhdx.table-size", "2FA54224-CD1B-4876-B211-5DBED83BF4B8", 0, "0000000000200000")]
    [InlineData("vhdx.sector-size", "8141BF1D-A96F-4709-BA47-F233A8FAAB5F", 0, "00040000")]
    public void What_the_metadata_of_a_VHDX_says_is_checked(string code, string item, int offset, string hex)
    {
        MakeVhdx();
        var bytes = File.ReadAllBytes(folder.PathOf("image"));
        var table = bytes.AsSpan().IndexOf("metadata"u8);
        var entry = table + bytes.AsSpan(table).IndexOf(new Guid(item).ToByteArray());
        var at = table + BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(entry + 16));
        folder.Patch("image", at + offset, hex);
        Assert.Equal(code, folder.Refusal("image").Code);
    }

    [Fact]
    public void A_VHDX_that_needs_an_unknown_metadata_item_is_refused()
    {
        MakeVhdx();
        var bytes = File.ReadAllBytes(folder.PathOf("image"));
        var entry = bytes.AsSpan().IndexOf(new Guid("CDA348C7-445D-4471-9CC9-E9885251C556").ToByteArray());
        folder.Patch("image", entry, "00");
        Assert.Equal(("vhdx.metadata", (long)entry), (folder.Refusal("image").Code, folder.Refusal("image").Offset));
    }

    [Theory]
    [InlineData("vhdx.parent", "07")]
    [InlineData("vhdx.reserved-bits", "04")]
    [InlineData("vhdx.reserved-bits", "0e")]
    [InlineData("vhdx.truncated", "0600000000ffffff")]
    [InlineData("vhdx.truncated", "0600000000000000")]
    public void A_block_entry_of_a_VHDX_that_lies_is_refused_with_its_offset(string code, string hex)
    {
        MakeVhdx();
        var bytes = File.ReadAllBytes(folder.PathOf("image"));
        var entry = bytes.AsSpan().IndexOf(new Guid("2DC27766-F623-4200-9D64-115E9BFD4A08").ToByteArray());
        var table = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(entry + 16));
        folder.Patch("image", table, hex);
        var error = folder.Refusal("image");
        Assert.Equal((code, table), (error.Code, error.Offset));
    }

    public void Dispose() => folder.Dispose();

    private void MakeVhdx()
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(4 * MiB));
        folder.Run("qemu-img convert -f raw -O vhdx -o block_size=1M disk.raw image");
    }

    private long ReadBigEndian(long offset)
    {
        var bytes = new byte[8];
        using var file = folder.OpenFile("image");
        RandomAccess.Read(file, bytes, offset);
        return BinaryPrimitives.ReadInt64BigEndian(bytes);
    }

    /// <summary>Changes both headers and makes their checksums right again.</summary>
    private void PatchHeaders(int at, string hex)
    {
        foreach (var offset in new[] { 64 << 10, 128 << 10 })
        {
            folder.Patch("image", offset + at, hex);
            folder.Patch("image", offset + 4, "00000000");
            var header = File.ReadAllBytes(folder.PathOf("image")).AsSpan(offset, 4096);
            var crc = uint.MaxValue;
            foreach (var value in header)
            {
                crc = BitOperations.Crc32C(crc, value);
            }

            var sum = new byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(sum, ~crc);
            folder.Patch("image", offset + 4, Convert.ToHexString(sum));
        }
    }
}
