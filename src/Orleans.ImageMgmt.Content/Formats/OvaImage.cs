using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>The one disk inside an OVA, read where it lies without unpacking. Source: DMTF DSP0243 (OVF), section "Packaging".</summary>
internal sealed class OvaImage : DiskImage
{
    private readonly VmdkImage disk;

    private OvaImage(VmdkImage disk) => this.disk = disk;

    public override SourceFormat Format => SourceFormat.Ova;

    public override ContentKind Kind => ContentKind.Disk;

    public override long Length => disk.Length;

    public static OvaImage Open(ImageFile file, Action<long, long>? advanced, CancellationToken cancellationToken)
    {
        var members = TarMembers.Read(file);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in members)
        {
            if (!names.Add(member.Name))
            {
                throw file.Fault("members", member.Offset, "The archive has two members of the same name. Export the machine again.");
            }
        }

        var disk = OvfDescriptor.FindDisk(file, members);
        if (members.Find(member => member.HasExtension(".vmdk") && member != disk) is { } other)
        {
            throw file.Fault("several-disks", other.Offset, "This OVA holds more than one VMDK; exactly one can be taken, because an image is one disk. Export the system disk alone, and import other disks as images of their own.");
        }

        if (!disk.HasExtension(".vmdk"))
        {
            throw file.Fault("disk-format", disk.Offset, "The disk in this OVA is no VMDK. Unpack the OVA and import the disk file itself.");
        }

        new OvaManifest(file, members, advanced, cancellationToken).Check(members[0], disk);
        return new OvaImage(new VmdkImage(file.Window(disk.Offset, disk.Length, "vmdk")));
    }

    public override int Read(long offset, Span<byte> buffer) => disk.Read(offset, buffer);

    public override DiskRange? NextData(long offset) => disk.NextData(offset);

    protected override void Dispose(bool disposing)
    {
        disk.Dispose();
        base.Dispose(disposing);
    }
}
