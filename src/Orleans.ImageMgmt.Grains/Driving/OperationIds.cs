using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>An operation's id names one operation of the whole service, whatever kind it is and whatever it is about.</summary>
internal sealed class OperationIds(CatalogReader catalog)
{
    /// <summary>The refusal when the id already belongs to something else; null when it is free, or belongs to this very kind and version.</summary>
    public async Task<Refusal?> RefuseOtherAsync(OperationId operation, string kind, VersionId version)
    {
        var row = await catalog.FindAsync(CatalogKind.Operation, operation.Value, CancellationToken.None);
        return row?.Read<OperationBody>() is { } known && (known.Kind != kind || known.Version != version)
            ? new Refusal("operation.id-in-use", $"Operation {operation} is the {known.Kind} of {known.Version}.", "Choose another operation id.")
            : null;
    }
}
