using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Opens a source file through the format that its own bytes show; names and extensions are not looked at.</summary>
public static class DiskImages
{
    /// <summary>Detects the format, checks everything that headers and tables tell, and gives the guest-visible bytes.</summary>
    /// <param name="file">A readable, seekable file. It stays the caller's: it must stay open while the image is used, and the caller closes it.</param>
    /// <param name="expected">The format the caller was told, or null to take what is found.</param>
    /// <param name="advanced">Hears how many bytes were read, of how many, where opening takes long; null when nobody wants to know.</param>
    /// <param name="cancellationToken">Stops what takes long.</param>
    /// <returns>The image; dispose of it to free its buffers.</returns>
    /// <exception cref="DiskFormatException">Empty, damaged, not what was expected, or a kind that is refused. The code's first word is the format.</exception>
    /// <exception cref="IOException">The file could not be read.</exception>
    /// <remarks>An OVA's manifest is checked here, which reads the whole file once.</remarks>
    public static DiskImage Open(SafeFileHandle file, SourceFormat? expected, Action<long, long>? advanced = null, CancellationToken cancellationToken = default)
    {
        var whole = Whole(file);
        var found = Detect(whole);
        if (expected is { } wanted && wanted != found)
        {
            throw whole.Fault("mismatch", 0, $"The file is {Name(found)}, not {Name(wanted)} as expected. Correct the expected format, or check that this is the right file.");
        }

        return found switch
        {
            SourceFormat.Qcow2 => new Qcow2Image(whole.As("qcow2")),
            SourceFormat.Vmdk => new VmdkImage(whole.As("vmdk")),
            SourceFormat.Vhdx => new VhdxImage(whole.As("vhdx")),
            SourceFormat.Ova => OvaImage.Open(whole.As("ova"), advanced, cancellationToken),
            SourceFormat.Iso => new RawImage(whole.As("iso"), SourceFormat.Iso, ContentKind.File),
            SourceFormat.Raw => new RawImage(whole.As("raw"), SourceFormat.Raw, ContentKind.Disk),
            _ => throw new NotSupportedException(found.ToString()),
        };
    }

    private static ImageFile Whole(SafeFileHandle file)
    {
        long length;
        try
        {
            length = RandomAccess.GetLength(file);
        }
        catch (NotSupportedException)
        {
            throw new DiskFormatException("format.not-a-file", 0, "The source is a pipe or a device without a length. Import a regular file.");
        }

        if (length == 0)
        {
            throw new DiskFormatException("format.empty", 0, "The file is empty. Check that the export that should have written it has finished.");
        }

        return length <= Limits.DiskLength
            ? new ImageFile(file, 0, length, "format")
            : throw new DiskFormatException("format.size", 0, $"The file has {length} bytes; at most {Limits.DiskLength} can be taken.");
    }

    private static SourceFormat Detect(ImageFile file)
    {
        Span<byte> head = stackalloc byte[ForeignFormats.HeadLength];
        head = head[..(int)Math.Min(head.Length, file.Length)];
        file.ReadExactly(0, head, "start of the file");
        if (head.StartsWith(Qcow2Header.Magic) && !head[4..].StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 1]))
        {
            return SourceFormat.Qcow2;
        }

        if (head.StartsWith(VmdkHeader.Magic))
        {
            return SourceFormat.Vmdk;
        }

        if (head.StartsWith(VmdkDescriptor.Start))
        {
            throw VmdkDescriptor.Refuse(file.As("vmdk"));
        }

        if (head.StartsWith(VhdxLayout.Magic))
        {
            return SourceFormat.Vhdx;
        }

        if (TarMembers.IsOva(file, head))
        {
            return SourceFormat.Ova;
        }

        // Before the formats known by few bytes: the first 32 KiB of an ISO are free for anything.
        if (IsoVolume.IsIso(file))
        {
            return SourceFormat.Iso;
        }

        ForeignFormats.Refuse(file, head);
        return SourceFormat.Raw;
    }

    private static string Name(SourceFormat format) => format switch
    {
        SourceFormat.Raw => "a raw disk",
        SourceFormat.Qcow2 => "a qcow2",
        SourceFormat.Vmdk => "a VMDK",
        SourceFormat.Vhdx => "a VHDX",
        SourceFormat.Iso => "an ISO",
        SourceFormat.Ova => "an OVA",
        _ => format.ToString(),
    };
}
