using Orleans.ImageMgmt.Connectors.Conformance;

namespace Orleans.ImageMgmt.Connectors.Tests;

public sealed class Filesystem_pod_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() => Task.FromResult<ConformanceFixture>(new FilesystemFixture());
}

public sealed class Filesystem_pod_that_reads_back_a_sample_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() => Task.FromResult<ConformanceFixture>(new FilesystemFixture(settings: ("read-back", "sampled")));
}

public sealed class Filesystem_pod_behind_an_empty_fault_plan_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() => Task.FromResult<ConformanceFixture>(
        new FilesystemFixture(inner => new FaultyConnector(inner, FaultPlan.Empty, TimeProvider.System, SilentFaultLog.Instance)));
}

public sealed class Simulated_pod_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() => Task.FromResult<ConformanceFixture>(new SimulatedFixture());
}

public sealed class Simulated_pod_that_keeps_digests_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() => Task.FromResult<ConformanceFixture>(new SimulatedFixture(("content", "digests")));
}

/// <summary>As an OpenStack Glance would be: one whole artefact by push, taken in by the platform in its own time, no ranges out.</summary>
public sealed class Pod_that_takes_whole_images_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() =>
        Task.FromResult<ConformanceFixture>(new SimulatedFixture(("transfer", "whole"), ("finalise-polls", "2"), ("takes", "1ms")));
}

/// <summary>As a vCenter content library would be: it fetches a whole artefact from an address.</summary>
public sealed class Pod_that_pulls_from_an_address_conforms : ConnectorConformance
{
    protected override Task<ConformanceFixture> CreateFixtureAsync() =>
        Task.FromResult<ConformanceFixture>(new SimulatedFixture(("transfer", "pull"), ("finalise-polls", "1")));
}
