using System.Runtime.InteropServices;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

internal sealed partial class FilesystemConnector
{
    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Receive, () => PlanAsync(version, content, manifest, null, cancellationToken), cancellationToken);

    public Task<ConnectorResult<ReceivePlan>> PlanReceiveAsync(VersionId version, ContentDescription content, ContentManifest manifest, IBlockReader far, CancellationToken cancellationToken) =>
        RunAsync(FaultStage.Receive, () => PlanAsync(version, content, manifest, far, cancellationToken), cancellationToken);

    /// <summary>Opens files for reading alone and asks where they have bytes; takes no lock, for a transfer that goes on meanwhile only makes the plan a little old.</summary>
    private async Task<ConnectorResult<ReceivePlan>> PlanAsync(VersionId version, ContentDescription content, ContentManifest manifest, IBlockReader? far, CancellationToken cancellationToken)
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
        var taken = begun is null ? 0 : begun.Staged(version).AllocatedBytes();
        using var own = OwnLibrary.Open(usable, version);
        var (missing, plan) = Weigh(version, content, manifest, begun, own, new ReceivePlan(chosen.Name, 0, 0, 0, Math.Max(0, manifest.DataLength - taken), FreeOf(chosen)), cancellationToken);
        return far is not null && await ForecastAsync(far, manifest, missing, own, cancellationToken) is { } blocks
            ? plan with { BytesToSend = blocks.BytesToSend, BytesReused = plan.BytesReused + blocks.BytesReused, ByBlocks = true }
            : plan;
    }

    private long FreeOf(Datastore datastore) => Math.Max(0, datastore.Room().Free - settings.Reserve);

    /// <summary>A source that cannot be asked now leaves the count of whole chunks.</summary>
    private static async Task<BlockForecast?> ForecastAsync(IBlockReader far, ContentManifest manifest, IReadOnlyList<int> missing, OwnLibrary own, CancellationToken cancellationToken)
    {
        try
        {
            return await BlockForecast.MakeAsync(far, manifest, missing, own.Copies, cancellationToken);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static (List<int> Missing, ReceivePlan Plan) Weigh(
        VersionId version, ContentDescription content, ContentManifest manifest, Datastore? begun, OwnLibrary own, ReceivePlan plan, CancellationToken cancellationToken)
    {
        var stagedChunks = begun is null ? [] : StagedOf(begun.Staged(version).ArtefactPath(content), manifest);
        var held = own.Copies.SelectMany(copy => Enumerable.Range(0, copy.Manifest.ChunkCount).Select(chunk => KeyOf(copy.Manifest, chunk))).ToHashSet();
        var missing = new List<int>();
        for (var chunk = 0; chunk < manifest.ChunkCount; chunk++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (manifest.IsZero(chunk))
            {
                continue;
            }

            var length = manifest.LengthOf(chunk);
            if (stagedChunks.Contains(chunk))
            {
                plan = plan with { BytesStaged = plan.BytesStaged + length };
            }
            else if (held.Contains(KeyOf(manifest, chunk)))
            {
                plan = plan with { BytesReused = plan.BytesReused + length };
            }
            else
            {
                missing.Add(chunk);
                plan = plan with { BytesToSend = plan.BytesToSend + length };
            }
        }

        return (missing, plan);
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
