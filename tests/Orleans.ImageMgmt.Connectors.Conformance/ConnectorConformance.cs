using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Conformance;

/// <summary>
/// One test for each numbered rule of the connector contract (README of Orleans.ImageMgmt.Connectors). Derive, give a fixture, and your
/// connector is checked. A rule that does not apply to what the connector declares checks the declared inability instead: nothing is skipped.
/// </summary>
public abstract partial class ConnectorConformance : IAsyncLifetime
{
    protected static readonly VersionId Version = new(new ImageName("Win10POS"), new VersionName("1.0"));
    protected static readonly VersionId Other = new(new ImageName("Win10POS"), new VersionName("1.1"));

    /// <summary>Times a call that is still in progress is made again: more than any connector here needs.</summary>
    private const int MaxAsks = 10_000;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(20);

    private ConformanceFixture? fixture;

    protected ConformanceFixture Fixture => fixture ?? throw new InvalidOperationException("Not begun.");

    protected IPodConnector Connector => Fixture.Connector;

    protected ConnectorCapabilities Can => Connector.Capabilities;

    protected abstract Task<ConformanceFixture> CreateFixtureAsync();

    public async ValueTask InitializeAsync() => fixture = await CreateFixtureAsync();

    public async ValueTask DisposeAsync()
    {
        if (fixture is not null)
        {
            await fixture.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    protected static CopyOrder Order(VersionId? version = null, long generation = 5, int attempt = 1) => new(version ?? Version, new Generation(generation), attempt);

    protected ReaderOffer Offer(OfferedDisk disk) => Value(ReaderOffer.Create(disk, disk.Content, Fixture.AddressOf(disk)));

    protected Task<ConnectorResult<StagedCopy>> ReceiveAsync(OfferedDisk disk, CopyOrder? order = null, ITransferObserver? observer = null, CancellationToken cancellationToken = default) =>
        EndAsync(() => Connector.ReceiveAsync(order ?? Order(), Offer(disk), observer ?? SilentObserver.Instance, cancellationToken));

    protected Task<ConnectorResult<Receipt>> FinaliseAsync(OfferedDisk disk, CopyOrder? order = null) =>
        EndAsync(() => Connector.FinaliseAsync(order ?? Order(), disk.Content, SilentObserver.Instance, CancellationToken.None));

    protected async Task<Receipt> MakeCopyAsync(OfferedDisk disk, CopyOrder? order = null)
    {
        Value(await ReceiveAsync(disk, order));
        return Value(await FinaliseAsync(disk, order));
    }

    protected async Task<IReadOnlyList<InventoryEntry>> InventoryAsync() => Value(await Connector.InventoryAsync(null, Limits.PageRows, CancellationToken.None)).Entries;

    /// <summary>Asks again while the platform is at it.</summary>
    protected static async Task<ConnectorResult<T>> EndAsync<T>(Func<Task<ConnectorResult<T>>> call)
    {
        for (var ask = 0; ask < MaxAsks; ask++)
        {
            var result = await call();
            if (result is not ConnectorResult<T>.InProgress waits)
            {
                return result;
            }

            Assert.True(waits.AskAgainAfter > TimeSpan.Zero, "A call in progress says when to ask again.");
            await Task.Delay(waits.AskAgainAfter < LongestWait ? waits.AskAgainAfter : LongestWait, TimeProvider.System);
        }

        Assert.Fail($"Still in progress after {MaxAsks} calls.");
        throw new InvalidOperationException();
    }

    protected static T Value<T>(ConnectorResult<T> result)
    {
        if (result is ConnectorResult<T>.Failed failed)
        {
            Assert.Fail(failed.Fault.ToString());
        }

        return Assert.IsType<ConnectorResult<T>.Done>(result).Value;
    }

    protected static ConnectorFault Fault<T>(ConnectorResult<T> result, FaultStage stage, params FaultCause[] causes)
    {
        var fault = Assert.IsType<ConnectorResult<T>.Failed>(result).Fault;
        Assert.Equal(stage, fault.Stage);
        Assert.True(causes.Length == 0 || causes.Contains(fault.Cause), $"{fault} is none of {string.Join(", ", causes)}.");
        Assert.False(string.IsNullOrWhiteSpace(fault.Detail));
        Assert.False(string.IsNullOrWhiteSpace(fault.NextStep));
        return fault;
    }

    protected static Func<int, CancellationToken, Task> BreakAt(int read) =>
        (number, _) => number >= read ? throw new IOException("The line was cut by the test.") : Task.CompletedTask;
}
