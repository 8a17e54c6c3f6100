using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

internal sealed partial class PodGrain
{
    public async Task<Reply<SourceList>> ListSourcesAsync(string? cursor, int limit)
    {
        if (Pod.Spec is not { } spec || connectors.Get(spec) is not ConnectorResult<IPodConnector>.Done(var connector))
        {
            return Reply.Refused<SourceList>("pod.not-connected", $"Pod {Name} is not connected.", "Connect it first.");
        }

        using var stop = new CancellationTokenSource(options.ProbeTimeout, Time);
        ConnectorResult<SourcePage> listed;
        try
        {
            listed = await Task.Run(() => connector.ListSourcesAsync(cursor, Math.Clamp(limit, 1, Limits.PageRows), stop.Token), CancellationToken.None)
                .WaitAsync(options.ProbeTimeout, Time, CancellationToken.None);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            return Reply.Refused<SourceList>("list-sources.timed-out", $"Pod {Name} did not list its sources within {options.ProbeTimeout.TotalSeconds:0} s.", "Check the pod and the way to it.");
        }

        return listed switch
        {
            ConnectorResult<SourcePage>.Done(var page) => Reply.Of(new SourceList(
                [.. page.Entries.Select(e => new SourceItem(e.Path, e.Length, e.ModifiedAt))], page.NextCursor)),
            ConnectorResult<SourcePage>.Failed(var fault) => Reply.Refused<SourceList>(fault.Code, fault.Detail, fault.NextStep),
            _ => Reply.Refused<SourceList>("pod.busy", $"Pod {Name} is not ready to list its sources.", "Ask again in a moment."),
        };
    }
}
