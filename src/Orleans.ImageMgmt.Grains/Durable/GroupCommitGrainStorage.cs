using Orleans.Runtime;
using Orleans.Serialization.Serializers;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// Grain state on the durable store. The state becomes bytes before the first await, on the grain's own turn: later, a reentrant grain might be
/// changing it. The key is the full grain id and the state's name, byte for byte; two grain types or two spellings never share a row.
/// </summary>
public sealed class GroupCommitGrainStorage(IDurableStore store, IActivatorProvider activators) : IGrainStorage
{
    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        ReadStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        var key = grainId.ToString();
        if (await store.ReadAsync(key, stateName, cancellationToken) is { } row)
        {
            grainState.State = StateJson.Load<T>(row.Payload.Span, $"{key} {stateName}");
            grainState.ETag = row.ETag;
            grainState.RecordExists = true;
        }
        else
        {
            Reset(grainState);
        }
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        WriteStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        IReadOnlyList<Projection> projections = grainState.State is IProjected projected ? [.. projected.Project()] : [];
        var write = new RowWrite(grainId.ToString(), stateName, ETag(grainState), StateJson.Save<object>(grainState.State!), projections);
        var etags = await store.WriteAsync([write], cancellationToken);
        grainState.ETag = etags[0];
        grainState.RecordExists = true;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        ClearStateAsync(stateName, grainId, grainState, CancellationToken.None);

    /// <summary>Deletes the row, and from the lists what the state in memory projects.</summary>
    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        IReadOnlyList<Projection> projections = grainState.State is IProjected projected
            ? [.. projected.Project().OfType<Projection.Upsert>().Select(upsert => new Projection.Delete(upsert.Row.Kind, upsert.Row.Key))]
            : [];
        await store.WriteAsync([new RowWrite(grainId.ToString(), stateName, ETag(grainState), null, projections)], cancellationToken);
        Reset(grainState);
    }

    private static string? ETag<T>(IGrainState<T> grainState) => string.IsNullOrEmpty(grainState.ETag) ? null : grainState.ETag;

    private void Reset<T>(IGrainState<T> grainState)
    {
        grainState.State = activators.GetActivator<T>().Create();
        grainState.ETag = null;
        grainState.RecordExists = false;
    }
}
