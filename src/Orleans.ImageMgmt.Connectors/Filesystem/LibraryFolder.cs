using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The folder of one copy, staged or final, and the files in it.</summary>
internal sealed record LibraryFolder(string Path)
{
    public string OrderPath => System.IO.Path.Combine(Path, "order.json");

    public string ManifestPath => System.IO.Path.Combine(Path, "manifest.bin");

    public string ReceiptPath => System.IO.Path.Combine(Path, "receipt.json");

    /// <summary>Digests of the copy's blocks, noted by the read-back. May be missing, or damaged: nobody believes it.</summary>
    public string BlocksPath => System.IO.Path.Combine(Path, "blocks.bin");

    /// <summary>Lies there when a verification found the copy bad: it is no copy any more until it is repaired.</summary>
    public string DamagedPath => System.IO.Path.Combine(Path, "damaged");

    public bool Exists => Directory.Exists(Path);

    /// <summary>Named for what people do with it: a disk is attached, an ISO is mounted.</summary>
    public static string ArtefactName(ContentDescription content) => content switch
    {
        { Kind: ContentKind.Disk } => "disk.raw",
        { SourceFormat: SourceFormat.Iso } => "content.iso",
        _ => "content.bin",
    };

    public string ArtefactPath(ContentDescription content) => System.IO.Path.Combine(Path, ArtefactName(content));

    /// <summary>The final copy that lies here; null when there is none, or none that is whole.</summary>
    public FinalRecord? TryLoadFinal()
    {
        var record = FilesystemRecords.TryRead<FinalRecord>(ReceiptPath);
        if (record is null || File.Exists(DamagedPath))
        {
            return null;
        }

        var artefact = new FileInfo(ArtefactPath(record.Content));
        return artefact.Exists && artefact.Length == record.Content.Length ? record : null;
    }

    /// <summary>Path of the artefact, whichever it is; null when there is none.</summary>
    public string? TryFindArtefact() => ArtefactNames.Select(name => System.IO.Path.Combine(Path, name)).FirstOrDefault(File.Exists);

    /// <summary>Bytes that the artefact takes up on the disk, whichever it is; 0 when there is none.</summary>
    public long AllocatedBytes()
    {
        long sum = 0;
        foreach (var name in ArtefactNames)
        {
            try
            {
                using var file = File.OpenHandle(System.IO.Path.Combine(Path, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                sum += SparseFile.AllocatedBytes(file);
            }
            catch (IOException trouble) when (IoTroubles.Classify(trouble) == IoTrouble.Missing)
            {
                // Not this one; or it has been moved or deleted since the folder was read.
            }
        }

        return sum;
    }

    /// <summary>Removes what a process left behind that ended while it noted digests of blocks.</summary>
    public void DeleteHalfBlocks()
    {
        foreach (var half in Directory.EnumerateFiles(Path, "blocks.bin.*").Where(half => half != BlocksPath)) // to the system's eyes the whole one matches too
        {
            File.Delete(half);
        }
    }

    private static readonly string[] ArtefactNames = ["disk.raw", "content.iso", "content.bin"];
}
