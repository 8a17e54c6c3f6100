using System.Runtime.InteropServices;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Receive, () => Task.FromResult(Plan(version, content, manifest, cancellationToken)), cancellationToken);

    /// <summary>Opens files for reading alone and asks where they have bytes; takes no lock, for a transfer that goes on meanwhile only makes the plan a little old.</summary>
    private ConnectorResult<ReceivePlan> Plan(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken)
    {
        ConnectorFault? trouble = null;
        var usable = new List<Datastore>();
        foreach (var datastore in datastores)
        {
            if (datastore.Glance(FaultStage.Receive) is { } fault)
            {
                trouble ??= fault;
            }
            else
            {
                usable.Add(datastore);
            }
        }

        if (usable.Count == 0)
        {
            return trouble!;
        }

        if (FindFinal(usable, version) is { } final)
        {
            return final.Record.Content.ContentDigest == content.ContentDigest
                ? new ReceivePlan(final.Datastore.Name, 0, 0, 0, 0, FreeOf(final.Datastore), IsHeld: true)
                : ConnectorFaults.OtherContent(FaultStage.Receive, version, final.Record.Content.ContentDigest, content.ContentDigest);
        }

        var begun = usable.FirstOrDefault(datastore => datastore.Staged(version).Exists);
        var chosen = begun ?? usable.MaxBy(datastore => datastore.Room().Free)!;
        var (send, staged, reused) = Weigh(version, content, manifest, begun, usable, cancellationToken);
        var taken = begun is null ? 0 : begun.Staged(version).AllocatedBytes();
        return new ReceivePlan(chosen.Name, send, staged, reused, Math.Max(0, manifest.DataLength - taken), FreeOf(chosen));
    }

    private long FreeOf(Datastore datastore) => Math.Max(0, datastore.Room().Free - settings.Reserve);

    private static (long Send, long Staged, long Reused) Weigh(
        VersionId version, ContentDescription content, ContentManifest manifest, Datastore? begun, IReadOnlyList<Datastore> usable, CancellationToken cancellationToken)
    {
        var stagedChunks = begun is null ? [] : StagedOf(begun.Staged(version).ArtefactPath(content), manifest);
        using var own = OwnLibrary.Open(usable, version);
        var held = own.Copies.SelectMany(copy => Enumerable.Range(0, copy.Manifest.ChunkCount).Select(chunk => KeyOf(copy.Manifest, chunk))).ToHashSet();
        var (send, staged, reused) = (0L, 0L, 0L);
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (manifest.IsZero(chunk))
            {
                continue;
            }

            var length = manifest.LengthOf(chunk);
            (send, staged, reused) = stagedChunks.Contains(chunk) ? (send, staged + length, reused)
                : held.Contains(KeyOf(manifest, chunk)) ? (send, staged, reused + length)
                : (send + length, staged, reused);
        }

        return (send, staged, reused);
    }

    /// <summary>Chunks in which the staging file has any byte.</summary>
    private static HashSet<int> StagedOf(string path, ContentManifest manifest)
    {
        var chunks = new HashSet<int>();
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            for (var data = SparseFile.NextData(file, 0); data is { } range && range.Offset < manifest.Length; data = SparseFile.NextData(file, range.End))
            {
                for (var chunk = (int)(range.Offset / manifest.ChunkSize); chunk < manifest.ChunkCount && manifest.OffsetOf(chunk) < range.End; chunk++)
                {
                    chunks.Add(chunk);
                }
            }
        }
        catch (IOException trouble) when (IoTroubles.Classify(trouble) == IoTrouble.Missing)
        {
            // Nothing is staged, or it has just become final.
        }

        return chunks;
    }

    private static (UInt128, UInt128) KeyOf(ContentManifest manifest, int chunk) =>
        (MemoryMarshal.Read<UInt128>(manifest.DigestOf(chunk)), MemoryMarshal.Read<UInt128>(manifest.DigestOf(chunk)[16..]));
}
