using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace Orleans.ImageMgmt.Grains;

internal sealed class StoredRequestKey : Recorded
{
    /// <summary>Empty: free.</summary>
    public string Fingerprint { get; init; } = "";

    protected override IEnumerable<CatalogRow> Rows() => [];
}

/// <summary>One id of an operation that a caller chose.</summary>
[GrainType("request-key")]
internal sealed class RequestKeyGrain : Grain, IRequestKeyGrain
{
    private StateCell<StoredRequestKey> cell = null!;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        cell = new StateCell<StoredRequestKey>(ServiceProvider.GetRequiredService<IGrainStorage>(), "request-key", this.GetGrainId());
        await cell.ReadAsync();
    }

    public async Task<Reply<bool>> ClaimAsync(string fingerprint)
    {
        var holder = "";
        var isNew = await cell.ChangeAsync(current =>
        {
            holder = current.Fingerprint;
            return holder.Length > 0 ? null : new StoredRequestKey { Fingerprint = fingerprint, UnknownFields = current.UnknownFields };
        });
        return isNew || holder == fingerprint
            ? Reply.Of(isNew)
            : Reply.Refused<bool>(OperationIds.InUse, $"The id {this.GetPrimaryKeyString()} was used for another request.", "Choose another idempotency key, or repeat the very same request.");
    }

    public Task ReleaseAsync(string fingerprint) => cell.ChangeAsync(current =>
        current.Fingerprint != fingerprint ? null : new StoredRequestKey { UnknownFields = current.UnknownFields });
}
