using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

public sealed class ReadingTests : IDisposable
{
    private const int MiB = 1 << 20;
    private readonly ImageFolder folder = new();

    [Theory]
    [InlineData("-O qcow2 -o compat=0.10", SourceFormat.Qcow2)]
    [InlineData("-O qcow2 -o compat=1.1", SourceFormat.Qcow2)]
    [InlineData("-O qcow2 -o cluster_size=512", SourceFormat.Qcow2)]
    [InlineData("-O qcow2 -o cluster_size=4k", SourceFormat.Qcow2)]
    [InlineData("-O qcow2 -o cluster_size=2M", SourceFormat.Qcow2)]
    [InlineData("-O qcow2 -o preallocation=metadata", SourceFormat.Qcow2)]
    [InlineData("-O qcow2 -o lazy_refcounts=on", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compat=0.10", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compression_type=zlib", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compression_type=zlib,cluster_size=4k", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compression_type=zlib,cluster_size=2M", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compression_type=zstd", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compression_type=zstd,cluster_size=4k", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2 -o compression_type=zstd,cluster_size=2M", SourceFormat.Qcow2)]
    [InlineData("-O vmdk -o subformat=monolithicSparse", SourceFormat.Vmdk)]
    [InlineData("-O vmdk -o subformat=monolithicSparse,zeroed_grain=on", SourceFormat.Vmdk)]
    [InlineData("-O vmdk -o subformat=streamOptimized", SourceFormat.Vmdk)]
    [InlineData("-O vhdx -o subformat=dynamic", SourceFormat.Vhdx)]
    [InlineData("-O vhdx -o subformat=dynamic,block_size=1M", SourceFormat.Vhdx)]
    [InlineData("-O vhdx -o subformat=fixed", SourceFormat.Vhdx)]
    [InlineData("-O raw", SourceFormat.Raw)]
    public void A_disk_converted_by_qemu_reads_as_the_disk_it_was_made_from(string options, SourceFormat format)
    {
        var disk = folder.WriteRaw("disk.raw", PatternedDisk.Make(33 * MiB));
        folder.Run($"qemu-img convert -f raw {options} disk.raw image");
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, format);
        Assert.Equal(ContentKind.Disk, image.Kind);
        PatternedDisk.AssertHolds(disk, image, format);
    }

    [Theory]
    [InlineData("-O qcow2", SourceFormat.Qcow2)]
    [InlineData("-c -O qcow2", SourceFormat.Qcow2)]
    [InlineData("-O vmdk", SourceFormat.Vmdk)]
    [InlineData("-O vmdk -o subformat=streamOptimized", SourceFormat.Vmdk)]
    public void A_disk_that_ends_inside_a_cluster_reads_to_its_last_byte(string options, SourceFormat format)
    {
        var disk = folder.WriteRaw("disk.raw", PatternedDisk.Make((21 * MiB) + 1536));
        folder.Run($"qemu-img convert -f raw {options} disk.raw image");
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, expected: null);
        PatternedDisk.AssertHolds(disk, image, format);
    }

    [Theory]
    [InlineData("qcow2")]
    [InlineData("vmdk")]
    public void Clusters_that_were_zeroed_or_rewritten_later_read_as_the_guest_sees_them(string format)
    {
        folder.WriteRaw("disk.raw", PatternedDisk.Make(24 * MiB));
        folder.Run($"qemu-img convert -f raw -O {format}{(format == "vmdk" ? " -o zeroed_grain=on" : "")} disk.raw image");
        folder.Run($"qemu-io -f {format} -c write~-z~5M~1M -c write~-P~0xab~12M~200k -c write~-P~7~8M~64k -c discard~9M~512k image");
        folder.Run($"qemu-img convert -f {format} -O raw image guest.raw");
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, expected: null);
        PatternedDisk.AssertHolds(File.ReadAllBytes(folder.PathOf("guest.raw")), image, format == "vmdk" ? SourceFormat.Vmdk : SourceFormat.Qcow2);
    }

    [Fact]
    public void Internal_snapshots_do_not_hide_the_active_state()
    {
        var disk = folder.WriteRaw("disk.raw", PatternedDisk.Make(8 * MiB));
        folder.Run("qemu-img convert -f raw -O qcow2 disk.raw image");
        folder.Run("qemu-img snapshot -c before image");
        folder.Run("qemu-io -f qcow2 -c write~-P~9~4M~1M image");
        disk.AsSpan(4 * MiB, MiB).Fill(9);
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, expected: null);
        PatternedDisk.AssertHolds(disk, image, SourceFormat.Qcow2);
    }

    [Fact]
    public void A_stream_that_names_its_grain_directory_only_at_its_end_is_read()
    {
        var disk = PatternedDisk.Make(24 * MiB);
        folder.WriteRaw("image", StreamedVmdk.Make(disk));
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, expected: null);
        PatternedDisk.AssertHolds(disk, image, SourceFormat.Vmdk);
    }

    [Fact]
    public void An_ISO_is_taken_as_the_file_it_is()
    {
        var content = PatternedDisk.Make(2 * MiB);
        Iso.Mark(content);
        folder.WriteRaw("image", content);
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, SourceFormat.Iso);
        Assert.Equal(ContentKind.File, image.Kind);
        PatternedDisk.AssertHolds(content, image, SourceFormat.Iso);
    }

    [Fact]
    public void Holes_of_a_sparse_raw_file_are_skipped_without_being_read()
    {
        folder.WriteRaw("image", []);
        folder.Truncate("image", 1L << 40);
        folder.Run("qemu-io -f raw -c write~-P~3~700G~64k image");
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, expected: null);
        Assert.Equal(1L << 40, image.Length);
        var range = image.NextData(0);
        Assert.Equal(new DiskRange(700L << 30, 64 << 10), range);
        Assert.Null(image.NextData((700L << 30) + (64 << 10)));
    }

    [Theory]
    [InlineData("qcow2 -o cluster_size=2M", "63T")]
    [InlineData("qcow2 -o cluster_size=64k", "1T")]
    [InlineData("vmdk", "2T")]
    [InlineData("vhdx -o block_size=64M", "60T")]
    public void The_memory_for_reading_does_not_grow_with_the_disk(string format, string size)
    {
        folder.Run($"qemu-img create -f {format} image {size}");
        folder.Run($"qemu-io -f {format.Split(' ')[0]} -c write~-P~3~700G~64k image");
        using var file = folder.OpenFile("image");
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var image = DiskImages.Open(file, expected: null);
        var range = image.NextData(0);
        Assert.NotNull(range);
        Assert.True(range.Value.Offset <= 700L << 30 && range.Value.End >= (700L << 30) + (64 << 10));
        var buffer = new byte[64 << 10];
        Assert.Equal(buffer.Length, image.Read(700L << 30, buffer));
        Assert.False(buffer.AsSpan().ContainsAnyExcept((byte)3));
        Assert.Null(image.NextData(range.Value.End));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20 << 20);
    }

    public void Dispose() => folder.Dispose();
}
