using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>An operation's id names one operation of the whole service, whatever kind it is and whatever it is about.</summary>
internal sealed class OperationIds(CatalogReader catalog)
{
    public const string InUse = "operation.id-in-use";

    /// <summary>The refusal when the id already belongs to something else; null when it is free, or belongs to this very kind and version.</summary>
    public async Task<Refusal?> RefuseOtherAsync(OperationId operation, string kind, VersionId? version, ImageName? image = null, PodName? pod = null)
    {
        var row = await catalog.FindAsync(CatalogKind.Operation, operation.Value, CancellationToken.None);
        return row?.Read<OperationBody>() is { } known && (known.Kind != kind || known.Version != version || known.Image != image || known.Pod != pod)
            ? new Refusal(InUse, $"Operation {operation} is the {known.Kind} of {known.Subject}.", "Choose another operation id.")
            : null;
    }

    /// <summary>The id of the part of an operation that is about one version: the same for the same operation and version, within the length of an id.</summary>
    public static OperationId PartOf(OperationId operation, VersionId version)
    {
        var digest = System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{operation} {version}"));
        return new OperationId($"part-{Convert.ToHexStringLower(digest.AsSpan(0, 16))}");
    }
}
