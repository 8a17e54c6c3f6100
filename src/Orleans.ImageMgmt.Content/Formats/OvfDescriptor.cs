using System.Globalization;
using System.Xml;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Finds the one disk that an OVF descriptor names. Source: DMTF DSP0243, sections "File references" and "DiskSection".</summary>
internal static class OvfDescriptor
{
    /// <summary>Bytes of descriptor read; a large one has 100 KiB.</summary>
    public const int MaxLength = 4 << 20;

    private sealed record Reference(string Id, string Href, string? Compression, string? ChunkSize, string? Size);

    /// <summary>The member that holds the disk.</summary>
    public static TarMember FindDisk(ImageFile file, List<TarMember> members)
    {
        var descriptor = members[0];
        var (references, disks) = Parse(file, descriptor);
        if (disks.Count != 1)
        {
            throw file.Fault("several-disks", descriptor.Offset, $"The OVF descriptor names {disks.Count} disks; exactly one can be taken, because an image is one disk. Export the system disk alone, and import other disks as images of their own.");
        }

        if (references.Find(reference => reference.Id == disks[0]) is not { } found)
        {
            throw file.Fault("no-disk-file", descriptor.Offset, "The OVF descriptor names a disk without a file in this OVA. Export the machine again, with its disk.");
        }

        if (found.Compression is not (null or "" or "identity"))
        {
            throw file.Fault("compressed-disk", descriptor.Offset, "The disk in this OVA is compressed as a file. Unpack the OVA, expand the disk and import the VMDK itself.");
        }

        if (found.ChunkSize is not (null or ""))
        {
            throw file.Fault("split-disk", descriptor.Offset, "The disk in this OVA is split into several files. Unpack the OVA, join the parts and import the VMDK itself.");
        }

        if (members.Find(member => member.Name == found.Href) is not { } disk)
        {
            throw file.Fault("no-disk-file", descriptor.Offset, "The disk that the OVF descriptor names is not in this OVA. Copy or export it again: it is cut short or incomplete.");
        }

        if (found.Size is { Length: > 0 } size && size != disk.Length.ToString(CultureInfo.InvariantCulture))
        {
            throw file.Fault("disk-size", disk.Offset, $"The disk in this OVA has {disk.Length} bytes, not what the OVF descriptor says. Copy or export it again.");
        }

        return disk;
    }

    private static (List<Reference> References, List<string> Disks) Parse(ImageFile file, TarMember descriptor)
    {
        if (descriptor.Length > MaxLength)
        {
            throw file.Fault("descriptor", descriptor.Offset, $"The OVF descriptor has {descriptor.Length} bytes; at most {MaxLength} can be taken.");
        }

        var bytes = new byte[descriptor.Length];
        file.ReadExactly(descriptor.Offset, bytes, "OVF descriptor");
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = MaxLength };
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(bytes), settings);
            return Collect(file, descriptor, reader);
        }
        catch (XmlException error)
        {
            throw file.Fault("descriptor", descriptor.Offset, $"The OVF descriptor is no well-formed XML (line {error.LineNumber}, column {error.LinePosition}). Export the machine again.");
        }
    }

    private static (List<Reference> References, List<string> Disks) Collect(ImageFile file, TarMember descriptor, XmlReader reader)
    {
        var references = new List<Reference>();
        var disks = new List<string>();
        string? space = null;
        while (reader.Read())
        {
            if (reader.NodeType != XmlNodeType.Element)
            {
                continue;
            }

            // Sections of single vendors have elements of the same names in namespaces of their own.
            space ??= reader.NamespaceURI;
            if (reader.NamespaceURI != space || reader.LocalName is not ("File" or "Disk"))
            {
                continue;
            }

            if (references.Count + disks.Count >= 2 * TarMembers.MaxMembers)
            {
                throw file.Fault("descriptor", descriptor.Offset, $"The OVF descriptor names more than {2 * TarMembers.MaxMembers} files and disks.");
            }

            if (reader.LocalName == "File")
            {
                references.Add(new Reference(Attribute(reader, "id") ?? "", Attribute(reader, "href") ?? "", Attribute(reader, "compression"), Attribute(reader, "chunkSize"), Attribute(reader, "size")));
            }
            else if (Attribute(reader, "parentRef") is not null)
            {
                throw file.Fault("parent", descriptor.Offset, "The disk in this OVA is a difference to another one. Export the machine again, with its snapshots consolidated.");
            }
            else
            {
                disks.Add(Attribute(reader, "fileRef") ?? "");
            }
        }

        return (references, disks);
    }

    /// <summary>An attribute by its local name: the specification puts it into the namespace, some writers do not.</summary>
    private static string? Attribute(XmlReader reader, string name)
    {
        string? value = null;
        for (var found = reader.MoveToFirstAttribute(); found && value is null; found = reader.MoveToNextAttribute())
        {
            value = reader.LocalName == name ? reader.Value : null;
        }

        reader.MoveToElement();
        return value;
    }
}
