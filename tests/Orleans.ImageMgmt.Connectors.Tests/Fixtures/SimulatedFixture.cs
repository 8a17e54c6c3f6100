using System.Globalization;
using System.Net;
using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>A simulated pod in one of its ways of taking content.</summary>
internal sealed class SimulatedFixture : ConformanceFixture
{
    private static readonly PodName Pod = new("sim-1");
    private readonly Dictionary<string, string> settings;
    private readonly ArtefactShelf shelf = new();
    private readonly SimulatedPods pods;
    private IPodConnector connector;

    public SimulatedFixture(params (string Key, string Value)[] settings)
    {
        this.settings = settings.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        pods = new SimulatedPods(TimeProvider.System, shelf);
        connector = Make();
    }

    public override IPodConnector Connector => connector;

    public override Task ReopenAsync(long? room = null)
    {
        settings.Remove("capacity");
        if (room is { } bytes)
        {
            settings["capacity"] = bytes.ToString(CultureInfo.InvariantCulture);
        }

        connector = Make();
        return Task.CompletedTask;
    }

    public override SourceRef AddSource(string name, byte[] bytes)
    {
        pods.AddSource(Pod, name, bytes);
        return new SourceRef(name);
    }

    public override SourceRef AddUnusableSource()
    {
        settings["source.broken"] = "unusable=a container that nobody can read";
        connector = Make();
        return new SourceRef("broken");
    }

    public override void ChangeSource(SourceRef source, byte[] bytes) => pods.AddSource(Pod, source.Path, bytes);

    public override void DamageFinal(VersionId version, int chunk) => Assert.True(pods.Damage(Pod, version, chunk));

    public override void DamageStaged(VersionId version, int chunk) => Assert.True(pods.DamageStaged(Pod, version, chunk));

    public override Func<CancellationToken, Task<Uri?>>? AddressOf(IContentReader reader) => _ => Task.FromResult<Uri?>(shelf.Put(reader));

    public override ValueTask DisposeAsync()
    {
        pods.Dispose();
        shelf.Dispose();
        return ValueTask.CompletedTask;
    }

    private IPodConnector Make()
    {
        var spec = new PodSpec(Pod, "simulated", settings, new Dictionary<string, string>(), 2);
        var made = pods.Create(spec);
        return Assert.IsType<ConnectorResult<IPodConnector>.Done>(made).Value;
    }
}

/// <summary>Serves artefacts at addresses, without a network.</summary>
internal sealed class ArtefactShelf : HttpMessageHandler
{
    private readonly Dictionary<string, IContentReader> readers = new(StringComparer.Ordinal);

    public Uri Put(IContentReader reader)
    {
        lock (readers)
        {
            var path = $"/artefact-{readers.Count}";
            readers[path] = reader;
            return new Uri("http://shelf.invalid" + path);
        }
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        lock (readers)
        {
            return Task.FromResult(readers.TryGetValue(request.RequestUri!.AbsolutePath, out var reader)
                ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(new ArtefactStream(reader, isChecked: false)) }
                : new HttpResponseMessage(HttpStatusCode.NotFound));
        }
    }
}
