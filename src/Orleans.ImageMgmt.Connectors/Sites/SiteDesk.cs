using System.Net.WebSockets;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Carries out, at a site, the calls that the service makes for the pods there. One line is one call; a line that breaks stops its call at the next
/// chunk, and what is staged stays for the next one.</summary>
public sealed class SiteDesk : IAsyncDisposable
{
    /// <summary>Longest wait for the call after the line is open.</summary>
    private static readonly TimeSpan FirstMessage = TimeSpan.FromSeconds(10);

    private readonly Dictionary<PodName, IPodConnector> pods;
    private readonly HttpMessageInvoker http;
    private readonly BlockCallOptions calls;
    private readonly TimeProvider time;

    /// <param name="pods">The connectors of the pods that are worked on here. They become this desk's.</param>
    /// <param name="http">Asks block servers, and shows this site's certificate. Stays the caller's.</param>
    /// <param name="calls">Limits of asking.</param>
    /// <param name="time">Clock of all waits.</param>
    public SiteDesk(IEnumerable<IPodConnector> pods, HttpMessageInvoker http, BlockCallOptions calls, TimeProvider time)
    {
        this.pods = pods.ToDictionary(connector => connector.Pod);
        (this.http, this.calls, this.time) = (http, calls, time);
    }

    /// <summary>Serves one line until its call has ended or the other side is gone.</summary>
    /// <param name="socket">Stays the caller's.</param>
    /// <param name="stop">The process ends: the call is stopped at its next chunk.</param>
    public async Task ServeAsync(WebSocket socket, CancellationToken stop)
    {
        using var channel = new SiteChannel(socket, time);
        if (await FirstAsync(channel, stop) is not { } call)
        {
            return;
        }

        await using var line = new SiteLineEnd(channel, stop);
        var working = Task.Run(() => WorkAsync(call, line, line.Stopped), CancellationToken.None);
        await line.ListenAsync(working);
        await line.EndAsync(await working);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connector in pods.Values)
        {
            await connector.DisposeAsync();
        }
    }

    private async Task<SiteMessage.Call?> FirstAsync(SiteChannel channel, CancellationToken stop)
    {
        using var enough = new CancellationTokenSource(FirstMessage, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, stop);
        try
        {
            return await channel.ReceiveAsync(either.Token) as SiteMessage.Call;
        }
        catch (Exception nothing) when (nothing is IOException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Never throws: what the world does comes back as a fault, and a defect of ours as one too, for the other side has to hear of it.</summary>
    private async Task<SiteMessage.Ended> WorkAsync(SiteMessage.Call call, SiteLineEnd line, CancellationToken stop)
    {
        try
        {
            return pods.TryGetValue(call.Pod, out var connector) ? await CarryOutAsync(call, connector, line, stop) : Ended(new ConnectorFault(
                FaultStage.Probe, FaultCause.Misconfigured, $"The site does not work on pod {call.Pod}; it does on {string.Join(", ", pods.Keys.Take(10))}.",
                "Name the pod in the file that 'imgmt blocks' is given (--pods)."));
        }
        catch (OperationCanceledException)
        {
            return Ended(ConnectorFaults.Cancelled(FaultStage.Receive, $"The call to pod {call.Pod}"));
        }
        catch (IOException trouble)
        {
            return Ended(new ConnectorFault(FaultStage.Receive, FaultCause.Unreachable, trouble.Message, "It is tried again."));
        }
        catch (Exception bug)
        {
            return Ended(new ConnectorFault(FaultStage.Receive, FaultCause.Unexpected, $"{bug.GetType().Name}: {bug.Message}", "This is a defect: report it with the log of the site."));
        }
    }

    private async Task<SiteMessage.Ended> CarryOutAsync(SiteMessage.Call call, IPodConnector connector, SiteLineEnd line, CancellationToken stop) => call.Verb switch
    {
        SiteVerb.Probe => Ended(await connector.ProbeAsync(stop)),
        SiteVerb.TryProbe => Ended(await (connector is ITrialProbe trial ? trial.TryProbeAsync(stop) : connector.ProbeAsync(stop))),
        SiteVerb.ListSources => Ended(await connector.ListSourcesAsync(call.Cursor, call.Limit, stop)),
        SiteVerb.Prepare => Ended(await connector.PrepareAsync(Given(call.Order), Given(call.Source), line, stop)),
        SiteVerb.Receive => Ended(await ReceiveAsync(call, connector, line, stop)),
        SiteVerb.Plan => Ended(await connector.PlanReceiveAsync(Given(call.Version), Given(call.Content), ManifestOf(call), stop)),
        SiteVerb.Finalise => Ended(await connector.FinaliseAsync(Given(call.Order), Given(call.Content), line, stop)),
        SiteVerb.Verify => Ended(await connector.VerifyAsync(Given(call.Version), line, stop)),
        SiteVerb.Delete => Ended(await connector.DeleteAsync(Given(call.Order), call.Scope, stop)),
        SiteVerb.Inventory => Ended(await connector.InventoryAsync(call.Cursor, call.Limit, stop)),
        _ => throw new IOException($"The call '{call.Verb}' is not known here."),
    };

    private async Task<ConnectorResult<StagedCopy>> ReceiveAsync(SiteMessage.Call call, IPodConnector connector, SiteLineEnd line, CancellationToken stop)
    {
        var (content, manifest, origin) = (Given(call.Content), ManifestOf(call), Given(call.Origin));
        var sources = new SiteSources(line, content, manifest, http, calls, time);
        var reader = await sources.OpenAsync(origin, stop);
        if (ReaderOffer.Create(reader, content, address: null, line.ThrottleAsync) is not ConnectorResult<ReaderOffer>.Done(var offer))
        {
            throw new IOException("The call's manifest is not that of its content.");
        }

        if (call.PieceBytes is not { } pieceBytes || connector.Capabilities.Transfer != TransferMode.Chunks || PieceMap.Of(manifest, pieceBytes) is not { } map)
        {
            return await connector.ReceiveAsync(Given(call.Order), offer, line, stop);
        }

        await using var swarm = SwarmReader.Over(reader, map, new SiteSwarm(line, sources), line, new SwarmReaderOptions { TimeProvider = time });
        return await connector.ReceiveAsync(Given(call.Order), offer.Over(swarm), swarm, stop);
    }

    private static ContentManifest ManifestOf(SiteMessage.Call call)
    {
        try
        {
            return ContentManifest.Decode(Given(call.Manifest));
        }
        catch (InvalidDataException wrong)
        {
            throw new IOException($"The call's manifest cannot be read: {wrong.Message}", wrong);
        }
    }

    private static T Given<T>(T? part) where T : class => part ?? throw new IOException($"The call lacks its {typeof(T).Name}.");

    private static T Given<T>(T? part) where T : struct => part ?? throw new IOException($"The call lacks its {typeof(T).Name}.");

    private static SiteMessage.Ended Ended(ConnectorFault fault) => new() { Fault = fault };

    private static SiteMessage.Ended Ended<T>(ConnectorResult<T> result) => result switch
    {
        ConnectorResult<T>.Done(var value) => new SiteMessage.Ended { Value = SiteMessage.ToElement(value) },
        ConnectorResult<T>.Failed(var fault) => Ended(fault),
        ConnectorResult<T>.InProgress wait => new SiteMessage.Ended { AskAgainAfterSeconds = wait.AskAgainAfter.TotalSeconds, Hint = wait.Hint, IsMoving = wait.IsMoving },
        _ => throw new NotSupportedException(),
    };
}
