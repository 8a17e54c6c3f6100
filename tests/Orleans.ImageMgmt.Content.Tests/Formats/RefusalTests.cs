using System.Text;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>What cannot be taken is refused by name, at open or at the latest when the damaged part is read.</summary>
public sealed class RefusalTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const string Secret = "--object secret,id=key,data=word";
    private readonly ImageFolder folder = new();

    [Theory]
    [InlineData("qcow2.backing-file", 8, "create -f qcow2 -b disk.raw -F raw image")]
    [InlineData("qcow2.data-file", 72, "create -f qcow2 -o data_file=other.raw image 8M")]
    [InlineData("qcow2.encrypted", 32, $"create {Secret} -f qcow2 -o encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10 image 8M")]
    [InlineData("qcow2.encrypted", 32, $"create {Secret} -f qcow2 -o encrypt.format=aes,encrypt.key-secret=key image 8M")]
    [InlineData("qcow2.extended-l2", 72, "create -f qcow2 -o extended_l2=on,cluster_size=128k image 8M")]
    [InlineData("vmdk.descriptor-only", 0, "convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse disk.raw image")]
    [InlineData("vmdk.descriptor-only", 0, "convert -f raw -O vmdk -o subformat=monolithicFlat disk.raw image")]
    [InlineData("format.vhd", 0, "convert -f raw -O vpc disk.raw image")]
    [InlineData("format.vhd", -512, "convert -f raw -O vpc -o subformat=fixed disk.raw image")]
    [InlineData("format.vdi", 64, "convert -f raw -O vdi disk.raw image")]
    [InlineData("format.qed", 0, "convert -f raw -O qed disk.raw image")]
    [InlineData("format.parallels", 0, "convert -f raw -O parallels disk.raw image")]
    [InlineData("format.qcow", 4, "convert -f raw -O qcow disk.raw image")]
    [InlineData("format.luks", 0, $"create {Secret} -f luks -o key-secret=key,iter-time=10 image 8M")]
    public void What_QEMU_makes_and_we_do_not_take_is_refused_by_name(string code, long offset, string command)
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(4 * MiB));
        folder.Run($"qemu-img {command}");
        var error = folder.Refusal("image");
        Assert.Equal(code, error.Code);
        Assert.Equal(offset < 0 ? new FileInfo(folder.PathOf("image")).Length + offset : offset, error.Offset);
    }

    [Fact]
    public void An_extent_of_a_VMDK_in_several_files_is_refused()
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(4 * MiB));
        folder.Run("qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse disk.raw image.vmdk");
        Assert.Equal("vmdk.part", folder.Refusal("image-s001.vmdk").Code);
    }

    [Fact]
    public void A_VMDK_with_a_parent_is_refused()
    {
        folder.Run("qemu-img create -f vmdk base.vmdk 8M");
        folder.Run("qemu-img create -f vmdk -b base.vmdk -F vmdk image");
        Assert.Equal("vmdk.parent", folder.Refusal("image").Code);
    }

    [Theory]
    [InlineData("format.gzip", "1f8b0800")]
    [InlineData("format.xz", "fd377a585a00")]
    [InlineData("format.zstd", "28b52ffd")]
    [InlineData("format.lz4", "04224d18")]
    [InlineData("format.bzip2", "425a6839314159265359")]
    [InlineData("format.zip", "504b0304")]
    [InlineData("format.7z", "377abcaf271c")]
    [InlineData("format.wim", "4d5357494d000000")]
    [InlineData("format.vmfs-sparse", "434f5744")]
    [InlineData("format.se-sparse", "bebafeca00000000")]
    public void Compressed_and_foreign_files_are_refused_rather_than_taken_as_raw(string code, string magic)
    {
        folder.WriteRaw("image", new byte[MiB]);
        folder.Patch("image", 0, magic);
        Assert.Equal(code, folder.Refusal("image", SourceFormat.Raw).Code);
    }

    [Theory]
    [InlineData("format.dmg", "6b6f6c79")]
    [InlineData("format.vhd", "636f6e6563746978")]
    [InlineData("format.vhd", "00636f6e6563746978")]
    public void Formats_with_their_mark_at_the_end_are_refused(string code, string magic)
    {
        folder.WriteRaw("image", new byte[MiB]);
        folder.Patch("image", MiB - 512, magic);
        Assert.Equal((code, MiB - 512L), (folder.Refusal("image").Code, folder.Refusal("image").Offset));
    }

    [Fact]
    public void A_tar_archive_without_a_descriptor_in_front_is_refused()
    {
        var bytes = new byte[4096];
        "ustar"u8.CopyTo(bytes.AsSpan(257));
        folder.WriteRaw("image", bytes);
        Assert.Equal("format.tar", folder.Refusal("image").Code);
    }

    [Fact]
    public void An_empty_file_is_refused()
    {
        folder.WriteRaw("image", []);
        Assert.Equal("format.empty", folder.Refusal("image", SourceFormat.Raw).Code);
    }

    [Theory]
    [InlineData(SourceFormat.Raw)]
    [InlineData(SourceFormat.Vmdk)]
    [InlineData(SourceFormat.Iso)]
    public void Another_format_than_the_expected_one_is_refused(SourceFormat expected)
    {
        folder.Run("qemu-img create -f qcow2 image 8M");
        var error = folder.Refusal("image", expected);
        Assert.Equal("format.mismatch", error.Code);
        Assert.Contains("is a qcow2, not", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_ISO_cut_short_is_refused()
    {
        var content = new byte[2 * MiB];
        Iso.Mark(content);
        folder.WriteRaw("image", content);
        folder.Truncate("image", MiB);
        Assert.Equal(("iso.truncated", Iso.DescriptorOffset + 80L), (folder.Refusal("image").Code, folder.Refusal("image").Offset));
    }

    [Theory]
    [InlineData("qcow2.version", 4, "00000004")]
    [InlineData("qcow2.cluster-bits", 20, "00000008")]
    [InlineData("qcow2.cluster-bits", 20, "00000016")]
    [InlineData("qcow2.cluster-bits", 20, "ffffffff")]
    [InlineData("qcow2.size", 24, "0000000000000000")]
    [InlineData("qcow2.size", 24, "0000400000000001")]
    [InlineData("qcow2.size", 24, "ffffffffffffffff")]
    [InlineData("qcow2.encrypted", 32, "00000009")]
    [InlineData("qcow2.l1-size", 36, "00000000")]
    [InlineData("qcow2.l1-size", 36, "00400001")]
    [InlineData("qcow2.l1-offset", 40, "0000000000000000")]
    [InlineData("qcow2.l1-offset", 40, "0000000000030001")]
    [InlineData("qcow2.truncated", 40, "7fffffffffff0000")]
    [InlineData("qcow2.truncated", 40, "ffffffffffff0000")]
    [InlineData("qcow2.dirty", 72, "0000000000000001")]
    [InlineData("qcow2.corrupt", 72, "0000000000000003")]
    [InlineData("qcow2.feature", 72, "0000000000000020")]
    [InlineData("qcow2.refcount-order", 96, "00000007")]
    [InlineData("qcow2.header-length", 100, "00000067")]
    [InlineData("qcow2.header-length", 100, "ffffffff")]
    public void A_damaged_qcow2_header_is_refused_with_its_offset(string code, long offset, string hex)
    {
        folder.Run("qemu-img create -f qcow2 image 8M");
        folder.Patch("image", offset, hex);
        var error = folder.Refusal("image");
        Assert.Equal((code, offset), (error.Code, error.Offset));
    }

    [Fact]
    public void A_qcow2_compression_type_without_its_feature_bit_is_refused()
    {
        folder.Run("qemu-img create -f qcow2 image 8M");
        folder.Patch("image", 104, "01");
        Assert.Equal(("qcow2.compression-type", 104L), (folder.Refusal("image").Code, folder.Refusal("image").Offset));
    }

    [Fact]
    public void An_unknown_qcow2_feature_is_refused_by_the_name_the_file_gives_it()
    {
        folder.Run("qemu-img create -f qcow2 image 8M");
        var content = File.ReadAllBytes(folder.PathOf("image"));
        var name = content.AsSpan().IndexOf("extended L2 entries"u8);
        folder.Patch("image", name - 1, "28");
        folder.Patch("image", 72, "0000010000000000");
        Assert.Contains("'extended L2 entries' (bit 40)", folder.Refusal("image").Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vmdk.version", 4, "04000000")]
    [InlineData("vmdk.size", 12, "0000000000000000")]
    [InlineData("vmdk.size", 12, "ffffffffffffffff")]
    [InlineData("vmdk.grain-size", 20, "0700000000000000")]
    [InlineData("vmdk.grain-size", 20, "8100000000000000")]
    [InlineData("vmdk.grain-size", 20, "0020000000000000")]
    [InlineData("vmdk.part", 28, "0000000000000000")]
    [InlineData("vmdk.descriptor", 28, "ffffffffffffffff")]
    [InlineData("vmdk.table-size", 44, "00000000")]
    [InlineData("vmdk.table-size", 44, "01020000")]
    [InlineData("vmdk.truncated", 56, "fffffffffffffff0")]
    [InlineData("vmdk.truncated", 56, "0000000000000000")]
    [InlineData("vmdk.unclean", 72, "01")]
    [InlineData("vmdk.newlines", 73, "0a200a0a")]
    [InlineData("vmdk.compression", 77, "0100")]
    public void A_damaged_VMDK_header_is_refused_with_its_offset(string code, long offset, string hex)
    {
        folder.Run("qemu-img create -f vmdk image 8M");
        folder.Patch("image", offset, hex);
        var error = folder.Refusal("image");
        Assert.Equal((code, offset), (error.Code, error.Offset));
    }

    [Theory]
    [InlineData("vmdk.encrypted", "ddb.adapterType", "encryption.keys")]
    [InlineData("vmdk.type", "monolithicSparse", "vmfsSparseSparse")]
    [InlineData("vmdk.extents", "RW ", "XX ")]
    [InlineData("vmdk.descriptor", "# Disk Desc", "# Disc Desc")]
    [InlineData("vmdk.parent", "parentCID=ffffffff", "parentCID=12345678")]
    public void What_a_VMDK_descriptor_says_is_checked(string code, string from, string to)
    {
        folder.Run("qemu-img create -f vmdk image 8M");
        var at = File.ReadAllBytes(folder.PathOf("image")).AsSpan().IndexOf(Encoding.ASCII.GetBytes(from));
        folder.Patch("image", at, Convert.ToHexString(Encoding.ASCII.GetBytes(to)));
        Assert.Equal(code, folder.Refusal("image").Code);
    }

    [Fact]
    public void A_streamed_VMDK_without_its_footer_is_refused()
    {
        folder.WriteRaw("image", StreamedVmdk.Make(PatternedDisk.Make(4 * MiB), withFooter: false));
        Assert.Equal("vmdk.truncated", folder.Refusal("image").Code);
    }

    public void Dispose() => folder.Dispose();
}
