using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Orleans.ImageMgmt.Host;

/// <summary>Who calls, wherever in the cluster the call came in: the silo with the connection knows, and the others ask it.</summary>
/// <remarks>A grain may live on another silo than the one that its caller is connected to, and a message goes on there without the certificate.</remarks>
internal sealed class CallerDirectory(GatewayCallers here, CallersElsewhere? elsewhere, TimeProvider time)
{
    /// <summary>How long an answer of another silo counts: as long as a caller may go on after its connection has ended.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);

    /// <summary>Callers of other silos that are remembered; all are forgotten beyond it. A few hundred frontends are many.</summary>
    private const int Kept = 1_000;

    private readonly ConcurrentDictionary<string, (GatewayCaller Caller, long At)> heard = new(StringComparer.Ordinal);

    public async ValueTask<GatewayCaller?> FindAsync(GrainId source)
    {
        if (!GatewayCallers.TryGetKey(source, out var key))
        {
            return null;
        }

        if (here.Find(key) is { } own)
        {
            return own;
        }

        if (elsewhere is null)
        {
            return null;
        }

        if (heard.TryGetValue(key, out var known) && time.GetElapsedTime(known.At) < Fresh)
        {
            return known.Caller;
        }

        var asked = time.GetTimestamp();
        var callers = await elsewhere.FindAsync(key, all: false);
        heard.TryRemove(key, out _);
        if (callers is not [var caller, ..])
        {
            return null;
        }

        if (heard.Count >= Kept)
        {
            heard.Clear();
        }

        heard[key] = (caller, asked);
        return caller;
    }

    /// <summary>False when the id is somebody else's, here or on another silo. A client of Orleans calls itself the same on all silos.</summary>
    public async ValueTask<bool> TryBindAsync(string key, GatewayCaller caller)
    {
        if (!here.TryBind(key, caller))
        {
            return false;
        }

        if (elsewhere is null || (await elsewhere.FindAsync(key, all: true)).All(other => other.Name == caller.Name))
        {
            return true;
        }

        here.Release(key);
        return false;
    }

    public void Release(string key) => here.Release(key);
}

/// <summary>Asks the other silos.</summary>
internal sealed class CallersElsewhere(IServiceProvider services, ISiloStatusOracle silos, TimeProvider time) : GrainServiceClient<ICallerDesk>(services)
{
    /// <summary>A silo that has not answered by then hangs: it says nothing for its callers, who hang with it.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(3);

    /// <param name="key">The client's key.</param>
    /// <param name="all">False: the first answer is enough.</param>
    public async Task<IReadOnlyList<GatewayCaller>> FindAsync(string key, bool all)
    {
        var asked = silos.GetApproximateSiloStatuses(onlyActive: true).Keys.Where(silo => !silo.Equals(silos.SiloAddress)).Select(silo => AskAsync(silo, key)).ToList();
        List<GatewayCaller> found = [];
        await foreach (var answer in Task.WhenEach(asked))
        {
            if (await answer is { } known)
            {
                found.Add(known.ToCaller());
                if (!all)
                {
                    break;
                }
            }
        }

        return found;
    }

    private async Task<KnownCaller?> AskAsync(SiloAddress silo, string key)
    {
        try
        {
            return await GetGrainService(silo).FindAsync(key).WaitAsync(AnswerLimit, time);
        }
        catch (Exception problem) when (problem is TimeoutException or OrleansException)
        {
            return null; // it dies, or does not know the question
        }
    }
}

/// <summary>What silos ask each other about callers. Never opened to callers themselves.</summary>
[Alias(Aliases.CallerDesk)]
internal interface ICallerDesk : IGrainService
{
    /// <summary>Who is connected to this silo under a client's key; null: nobody.</summary>
    [Alias("Find")]
    Task<KnownCaller?> FindAsync(string key);
}

/// <summary>A caller as another silo tells of it.</summary>
/// <param name="Name">Of the certificate.</param>
/// <param name="Role">Empty: a front end.</param>
/// <param name="Origin">Where it calls from.</param>
[GenerateSerializer, Immutable, Alias(Aliases.KnownCaller)]
internal sealed record KnownCaller([property: Id(0)] string Name, [property: Id(1)] string Role, [property: Id(2)] string Origin)
{
    public static KnownCaller Of(GatewayCaller caller) => new(caller.Name.Name, caller.Name.Role, caller.Origin);

    public GatewayCaller ToCaller() => new(new CertificateName(Name, Role.Length == 0 ? CertificateKind.Silo : CertificateKind.Client, Role), Origin);
}

/// <inheritdoc/>
internal sealed class CallerDesk(GrainId id, Silo silo, ILoggerFactory logging, GatewayCallers callers) : GrainService(id, silo, logging), ICallerDesk
{
    public Task<KnownCaller?> FindAsync(string key) => Task.FromResult(callers.Find(key) is { } caller ? KnownCaller.Of(caller) : null);
}
