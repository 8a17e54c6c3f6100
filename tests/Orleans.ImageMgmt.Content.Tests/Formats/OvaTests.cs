using System.Diagnostics.CodeAnalysis;
using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

public sealed class OvaTests : IDisposable
{
    private const int MiB = 1 << 20;
    private readonly ImageFolder folder = new();
    private readonly byte[] disk = PatternedDisk.Make(22 * MiB);
    private readonly byte[] vmdk;

    public OvaTests() => vmdk = StreamedVmdk.Make(disk);

    [Theory]
    [InlineData(TarEntryFormat.Ustar, "SHA1")]
    [InlineData(TarEntryFormat.Ustar, "SHA256")]
    [InlineData(TarEntryFormat.Ustar, "SHA512")]
    [InlineData(TarEntryFormat.Ustar, null)]
    [InlineData(TarEntryFormat.Gnu, "SHA256")]
    [InlineData(TarEntryFormat.Pax, "SHA256")]
    public void The_disk_in_an_OVA_is_read_where_it_lies(TarEntryFormat format, string? algorithm)
    {
        var ovf = Ovf(File("disk.vmdk"), Disk());
        var manifest = algorithm is null ? null : Line(algorithm, "vm.ovf", ovf) + Line(algorithm, "disk.vmdk", vmdk);
        Write(format, ("vm.ovf", ovf), ("vm.mf", manifest is null ? null : Encoding.UTF8.GetBytes(manifest)), ("disk.vmdk", vmdk), ("vm.nvram", new byte[700]));
        using var file = folder.OpenFile("image");
        using var image = DiskImages.Open(file, SourceFormat.Ova);
        PatternedDisk.AssertHolds(disk, image, SourceFormat.Ova);
    }

    [Fact]
    public void Checking_the_manifest_of_an_OVA_shows_how_far_it_is_and_can_be_stopped()
    {
        var ovf = Ovf(File("disk.vmdk"), Disk());
        var manifest = Line("SHA256", "vm.ovf", ovf) + Line("SHA256", "disk.vmdk", vmdk);
        Write(TarEntryFormat.Ustar, ("vm.ovf", ovf), ("vm.mf", Encoding.UTF8.GetBytes(manifest)), ("disk.vmdk", vmdk));
        using var file = folder.OpenFile("image");
        using var stop = new CancellationTokenSource();
        var heard = new List<(long Bytes, long Total)>();
        Assert.Throws<OperationCanceledException>(() => DiskImages.Open(
            file,
            expected: null,
            (bytes, total) =>
            {
                heard.Add((bytes, total));
                if (bytes > ovf.Length)
                {
                    stop.Cancel();
                }
            },
            stop.Token));
        Assert.Equal([(ovf.Length, RandomAccess.GetLength(file)), (ovf.Length + Math.Min(MiB, vmdk.Length), RandomAccess.GetLength(file))], heard);
    }

    [Fact]
    public void A_disk_that_does_not_match_the_manifest_is_refused_with_the_place_of_the_disk()
    {
        var ovf = Ovf(File("disk.vmdk"), Disk());
        var manifest = Line("SHA256", "vm.ovf", ovf) + Line("SHA256", "disk.vmdk", vmdk);
        vmdk[^600] ^= 1;
        Write(TarEntryFormat.Ustar, ("vm.ovf", ovf), ("disk.vmdk", vmdk), ("vm.mf", Encoding.UTF8.GetBytes(manifest)));
        var error = folder.Refusal("image");
        Assert.Equal("ova.manifest-mismatch", error.Code);
        Assert.Equal(512 + ((ovf.Length + 511) / 512 * 512) + 512, error.Offset);
    }

    [Theory]
    [InlineData("MD5(disk.vmdk)= 00112233445566778899aabbccddeeff\n")]
    [InlineData("SHA256(disk.vmdk)= 0011\n")]
    [InlineData("SHA1(absent.vmdk)= 00112233445566778899aabbccddeeff00112233\n")]
    [InlineData("no digest at all\n")]
    [InlineData("")]
    public void A_manifest_that_proves_nothing_is_refused(string manifest)
    {
        Write(TarEntryFormat.Ustar, ("vm.ovf", Ovf(File("disk.vmdk"), Disk())), ("disk.vmdk", vmdk), ("vm.mf", Encoding.UTF8.GetBytes(manifest)));
        Assert.Equal("ova.manifest", folder.Refusal("image").Code);
    }

    [Fact]
    public void More_than_one_disk_is_refused()
    {
        var second = File("other.vmdk", id: "file2");
        Write(TarEntryFormat.Ustar, ("vm.ovf", Ovf(File("disk.vmdk") + second, Disk() + Disk("file2"))), ("disk.vmdk", vmdk), ("other.vmdk", vmdk));
        Assert.Equal("ova.several-disks", folder.Refusal("image").Code);
        Write(TarEntryFormat.Ustar, ("vm.ovf", Ovf(File("disk.vmdk"), Disk())), ("disk.vmdk", vmdk), ("other.vmdk", vmdk));
        Assert.Equal("ova.several-disks", folder.Refusal("image").Code);
    }

    [Theory]
    [InlineData("ova.compressed-disk", "ovf:compression=\"gzip\"")]
    [InlineData("ova.split-disk", "ovf:chunkSize=\"1000\"")]
    [InlineData("ova.disk-size", "ovf:size=\"1000\"")]
    public void A_disk_that_is_packed_or_split_is_refused(string code, string attribute)
    {
        Write(TarEntryFormat.Ustar, ("vm.ovf", Ovf(File("disk.vmdk", attribute), Disk())), ("disk.vmdk", vmdk));
        Assert.Equal(code, folder.Refusal("image").Code);
    }

    [Theory]
    [InlineData("ova.no-disk-file", "absent.vmdk")]
    [InlineData("ova.disk-format", "disk.vhd")]
    public void A_disk_that_is_not_there_or_is_no_VMDK_is_refused(string code, string href)
    {
        Write(TarEntryFormat.Ustar, ("vm.ovf", Ovf(File(href), Disk())), ("disk.vhd", vmdk));
        Assert.Equal(code, folder.Refusal("image").Code);
    }

    [Theory]
    [InlineData("<Envelope")]
    [InlineData("")]
    [InlineData("<!DOCTYPE e [<!ENTITY a \"b\">]><Envelope>&a;</Envelope>")]
    public void A_descriptor_that_is_no_plain_XML_is_refused(string ovf)
    {
        Write(TarEntryFormat.Ustar, ("vm.ovf", Encoding.UTF8.GetBytes(ovf)), ("disk.vmdk", vmdk));
        Assert.Equal("ova.descriptor", folder.Refusal("image").Code);
    }

    [Fact]
    public void A_fault_inside_the_disk_names_its_place_in_the_whole_file()
    {
        var ovf = Ovf(File("disk.vmdk"), Disk());
        vmdk[4] = 9;
        Write(TarEntryFormat.Ustar, ("vm.ovf", ovf), ("disk.vmdk", vmdk));
        var error = folder.Refusal("image");
        Assert.Equal(("vmdk.version", 512 + ((ovf.Length + 511) / 512 * 512) + 512 + 4L), (error.Code, error.Offset));
    }

    [Fact]
    public void An_OVA_cut_short_is_refused()
    {
        Write(TarEntryFormat.Ustar, ("vm.ovf", Ovf(File("disk.vmdk"), Disk())), ("disk.vmdk", vmdk));
        folder.Truncate("image", vmdk.Length / 2);
        Assert.Equal("ova.truncated", folder.Refusal("image").Code);
    }

    [Fact]
    public void Members_that_are_no_files_and_names_that_come_twice_are_refused()
    {
        var ovf = Ovf(File("disk.vmdk"), Disk());
        Write(TarEntryFormat.Ustar, ("vm.ovf", ovf), ("disk.vmdk", vmdk), ("disk.vmdk", vmdk));
        Assert.Equal("ova.members", folder.Refusal("image").Code);
        using (var stream = System.IO.File.Create(folder.PathOf("image")))
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar))
        {
            tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "vm.ovf") { DataStream = new MemoryStream(ovf) });
            tar.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "disk.vmdk") { LinkName = "/etc/shadow" });
        }

        Assert.Equal("ova.member-type", folder.Refusal("image").Code);
    }

    public void Dispose() => folder.Dispose();

    internal static byte[] Ovf(string files, string disks) => Encoding.UTF8.GetBytes($"""
        <?xml version="1.0"?>
        <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vendor="urn:vendor">
          <References>{files}</References>
          <DiskSection><Description>disks</Description>{disks}</DiskSection>
          <vendor:Machine><vendor:Disk /><vendor:Disk /></vendor:Machine>
        </Envelope>
        """);

    internal static string File(string href, string attribute = "", string id = "file1") => $"""<File ovf:id="{id}" ovf:href="{href}" {attribute}/>""";

    internal static string Disk(string file = "file1") => $"""<Disk ovf:diskId="{file}" ovf:fileRef="{file}" ovf:capacity="22" ovf:format="vmdk" />""";

    [SuppressMessage("Security", "CA5350", Justification = "OVF 1.0 manifests use SHA-1.")]
    internal static string Line(string algorithm, string name, byte[] content)
    {
        var hash = algorithm switch
        {
            "SHA1" => SHA1.HashData(content),
            "SHA256" => SHA256.HashData(content),
            _ => SHA512.HashData(content),
        };
        return $"{algorithm}({name})= {Convert.ToHexStringLower(hash)}\n";
    }

    internal static byte[] Tar(TarEntryFormat format, params (string Name, byte[]? Content)[] members)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, format, leaveOpen: true))
        {
            foreach (var (name, content) in members.Where(static member => member.Content is not null))
            {
                TarEntry entry = format switch
                {
                    TarEntryFormat.Ustar => new UstarTarEntry(TarEntryType.RegularFile, name),
                    TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
                    _ => new PaxTarEntry(TarEntryType.RegularFile, name),
                };
                entry.DataStream = new MemoryStream(content!);
                tar.WriteEntry(entry);
            }
        }

        return stream.ToArray();
    }

    private void Write(TarEntryFormat format, params (string Name, byte[]? Content)[] members) => folder.WriteRaw("image", Tar(format, members));
}
