using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;
using Orleans.Storage;
using Xunit;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>A store in a folder of its own, that can be closed and opened again; the folder goes away with it.</summary>
internal sealed class StoreFolder : IAsyncDisposable
{
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();
    private readonly bool owned;

    public StoreFolder(DurableOptions? options = null, string? path = null, TimeProvider? time = null)
    {
        owned = path is null;
        Path = path ?? System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"imagemgmt-store-{Guid.NewGuid():N}");
        Options = options ?? new DurableOptions();
        Time = time ?? TimeProvider.System;
        Store = EmbeddedStore.Open(Path, Options, NullLogger.Instance, Time);
    }

    public string Path { get; }

    public DurableOptions Options { get; }

    public TimeProvider Time { get; }

    public EmbeddedStore Store { get; private set; }

    public IDurableStore Rows => Store.Rows;

    public IGrainStorage Storage => new GroupCommitGrainStorage(Store.Rows, services.GetRequiredService<IActivatorProvider>());

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static GrainId Id(string type, string key) => GrainId.Create(type, key);

    public async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        Store = EmbeddedStore.Open(Path, Options, NullLogger.Instance, Time);
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        await services.DisposeAsync();
        if (owned)
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}

/// <summary>A state with a list row, as grains keep them.</summary>
internal sealed class Box : StoredState, IProjected
{
    public string Key { get; set; } = "";

    public int Count { get; set; }

    public string Status { get; set; } = "Importing";

    public IEnumerable<Projection> Project() =>
        Key.Length == 0 ? [] : [new Projection.Upsert(Row(Key, Status, $$"""{"count":{{Count}}}"""))];

    public static CatalogRow Row(string key, string status, string body) =>
        new(CatalogKind.Image, key, key, status, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, body);
}

internal sealed class Held<T> : IGrainState<T> where T : new()
{
    [System.Diagnostics.CodeAnalysis.AllowNull]
    public T State { get; set => field = value ?? new T(); } = new();

    public string? ETag { get; set; }

    public bool RecordExists { get; set; }
}
