using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Puts a new administrator token in the place of the old one while the service is down. Whoever can open the data folder owns the service
/// anyway, so this asks for nothing else; the store's lock keeps it from running beside the service.
/// </summary>
public static class TokenReset
{
    public static async Task RunAsync(EmbeddedStore store, Digest hash, RequestedBy by, TimeProvider time, CancellationToken cancellationToken)
    {
        var key = GrainId.Create(TokensGrain.GrainTypeName, GrainKeys.AllTokens).ToString();
        var row = await store.Rows.ReadAsync(key, TokensGrain.StateName, cancellationToken);
        var current = row is null ? new StoredTokens() : StateJson.Load<StoredTokens>(row.Payload.Span, key);
        var (next, _) = TokenWriting.Apply(current, new TokenCommand.Reset(TokenName.Administrator, Role.Administrator, hash), by, time.GetUtcNow());
        await store.Rows.WriteAsync([new RowWrite(key, TokensGrain.StateName, row?.ETag, StateJson.Save<object>(next!), [.. next!.Project()])], cancellationToken);
    }
}
