using System.Diagnostics;
using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>Goal: whatever file carries a disk, what the pod seals and gives out is the disk. Method: one disk in every format, made by QEMU's own tools.</summary>
public sealed class SourceFormatTests : IAsyncDisposable
{
    private const int MiB = 1 << 20;

    private readonly FilesystemFixture fixture = new();
    private readonly byte[] disk = Make();

    public ValueTask DisposeAsync() => fixture.DisposeAsync();

    [Theory]
    [InlineData("raw", SourceFormat.Raw)]
    [InlineData("qcow2 compat=0.10", SourceFormat.Qcow2)]
    [InlineData("qcow2 compat=1.1", SourceFormat.Qcow2)]
    [InlineData("vmdk subformat=monolithicSparse", SourceFormat.Vmdk)]
    [InlineData("vmdk subformat=streamOptimized", SourceFormat.Vmdk)]
    [InlineData("vhdx", SourceFormat.Vhdx)]
    [InlineData("ova", SourceFormat.Ova)]
    [InlineData("iso", SourceFormat.Iso)]
    public async Task A_source_of_any_format_is_sealed_as_the_bytes_that_a_guest_sees(string form, SourceFormat format)
    {
        var source = await BuildAsync(form);
        var file = await File.ReadAllBytesAsync(Path.Combine(fixture.Sources, source), TestContext.Current.CancellationToken);
        var fileDigest = Digest.FromBytes(SHA256.HashData(file));

        var prepared = Value(await fixture.Connector.PrepareAsync(new SourceRef(source, fileDigest, format)));

        Assert.Equal((Digest.FromBytes(SHA256.HashData(disk)), disk.LongLength), (prepared.Content.ContentDigest, prepared.Content.Length));
        Assert.Equal((format, fileDigest, file.LongLength), (prepared.Content.SourceFormat, prepared.Content.SourceDigest, prepared.Content.SourceLength));
        var sealedFile = Path.Combine(fixture.FinalFolder(Pos), format == SourceFormat.Iso ? "content.iso" : "disk.raw");
        Assert.Equal(disk, await File.ReadAllBytesAsync(sealedFile, TestContext.Current.CancellationToken));
        using (var handle = File.OpenHandle(sealedFile))
        {
            Assert.InRange(SparseFile.AllocatedBytes(handle), 1, disk.Length / 2);
        }

        await using var reader = Value(await fixture.Connector.OpenAsync(Pos, CancellationToken.None));
        var part = new byte[MiB];
        await reader.ReadAsync(9 * MiB, part, CancellationToken.None);
        Assert.Equal(disk[(9 * MiB)..(10 * MiB)], part);
    }

    /// <summary>Data at both ends and in the middle, holes between; the mark of an ISO, so that one disk serves for all.</summary>
    private static byte[] Make()
    {
        var bytes = new byte[20 * MiB];
        var random = new Random(71);
        random.NextBytes(bytes.AsSpan(0, MiB));
        random.NextBytes(bytes.AsSpan(9 * MiB, MiB));
        random.NextBytes(bytes.AsSpan(bytes.Length - MiB, MiB));
        bytes.AsSpan(0, 64 << 10).Clear();
        return bytes;
    }

    private async Task<string> BuildAsync(string form)
    {
        if (form == "iso")
        {
            // A boot record as the first volume descriptor (ECMA-119, 8.2): it tells no size.
            "CD001"u8.CopyTo(disk.AsSpan((16 * 2048) + 1));
        }

        var raw = Path.Combine(fixture.Sources, "golden.raw");
        await File.WriteAllBytesAsync(raw, disk, TestContext.Current.CancellationToken);
        switch (form.Split(' '))
        {
            case ["raw" or "iso"]:
                return "golden.raw";
            case ["ova"]:
                await ConvertAsync("vmdk", "subformat=streamOptimized", "disk.vmdk");
                return await PackAsync();
            case [var name, .. var options]:
                await ConvertAsync(name, options.FirstOrDefault(), "golden.image");
                return "golden.image";
            default:
                throw new NotSupportedException(form);
        }
    }

    private async Task ConvertAsync(string format, string? option, string target)
    {
        string[] words = ["convert", "-f", "raw", "-O", format, .. option is null ? (string[])[] : ["-o", option], "golden.raw", target];
        using var process = Process.Start(new ProcessStartInfo("qemu-img", words) { WorkingDirectory = fixture.Sources, RedirectStandardError = true })!;
        var trouble = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, trouble);
    }

    private async Task<string> PackAsync()
    {
        const string descriptor = """
            <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
              <References><File ovf:id="file1" ovf:href="disk.vmdk"/></References>
              <DiskSection><Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="20"/></DiskSection>
            </Envelope>
            """;
        var vmdk = await File.ReadAllBytesAsync(Path.Combine(fixture.Sources, "disk.vmdk"), TestContext.Current.CancellationToken);
        var manifest = $"SHA256(disk.vmdk)= {Convert.ToHexStringLower(SHA256.HashData(vmdk))}\nSHA256(vm.ovf)= {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(descriptor)))}\n";
        await using var file = File.Create(Path.Combine(fixture.Sources, "golden.ova"));
        await using var tar = new TarWriter(file, TarEntryFormat.Ustar);
        foreach (var (name, content) in ((string, byte[])[])[("vm.ovf", Encoding.UTF8.GetBytes(descriptor)), ("vm.mf", Encoding.UTF8.GetBytes(manifest)), ("disk.vmdk", vmdk)])
        {
            await tar.WriteEntryAsync(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) }, TestContext.Current.CancellationToken);
        }

        return "golden.ova";
    }
}
