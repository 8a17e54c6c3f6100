using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>Is the process alive, can it take work, and which program is it?</summary>
internal static class Health
{
    public static void MapHealth(this WebApplication app)
    {
        app.MapGet(Routes.Liveness, () => Results.Text("live\n"))
            .WithName("GetLiveness").WithSummary("The process answers.").AllowAnonymous();
        app.MapGet(Routes.Readiness, AnswerReadyAsync)
            .WithName("GetReadiness").WithSummary("The service can take work; 503 with the reason when it cannot.")
            .Produces<string>(StatusCodes.Status200OK, "text/plain").ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .RequireAuthorization(Roles.Viewer);
        app.MapGet(Routes.Startup, AnswerStartedAsync)
            .WithName("GetStartup").WithSummary("The service has started: it could take work once, and what was unfinished has been taken up again; 503 with the reason before.")
            .Produces<string>(StatusCodes.Status200OK, "text/plain").ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .RequireAuthorization(Roles.Viewer);
        app.MapGet(Routes.ServerVersion, () => Results.Ok(ProgramVersion.Current))
            .WithName("GetVersion").WithSummary("Which program this is.").Produces<ServerVersion>()
            .RequireAuthorization(Roles.Viewer);
    }

    private static async Task<IResult> AnswerStartedAsync(Readiness readiness, CancellationToken cancellationToken) =>
        await readiness.WhyNotStartedAsync(cancellationToken) is not { } reason
            ? Results.Text("started\n")
            : UpkeepProblem.Of(StatusCodes.Status503ServiceUnavailable, "The service has not started yet.", reason);

    private static async Task<IResult> AnswerReadyAsync(Readiness readiness, CancellationToken cancellationToken) =>
        await readiness.WhyNotAsync(cancellationToken) is not { } reason
            ? Results.Text("ready\n")
            : UpkeepProblem.Of(StatusCodes.Status503ServiceUnavailable, "The service cannot take work.", reason);
}

/// <summary>Whether the service can take work now: the silo is active or one can be reached, the store can be written, nobody has asked for the end.</summary>
internal sealed class Readiness(IHostApplicationLifetime lifetime, Departure departure, ISeat seat, SiloStore store, StartProgress? progress = null)
{
    private volatile bool hasStarted;

    /// <summary>A store that does not commit within this is not ready, whatever it does later.</summary>
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(3);

    /// <summary>Null once the service was ready and the scan for unfinished work has gone through; it stays so, whatever comes later: that is readiness's matter.</summary>
    public async Task<Domain.Refusal?> WhyNotStartedAsync(CancellationToken cancellationToken)
    {
        if (hasStarted)
        {
            return null;
        }

        if (await WhyNotAsync(cancellationToken) is { } reason)
        {
            return reason;
        }

        if (progress is { HasResumed: false })
        {
            return new("service.resuming", "What was unfinished at the last stop is being taken up again.", "Ask again in a moment; the log says what could not be taken up.");
        }

        hasStarted = true;
        return null;
    }

    /// <summary>Null when it can.</summary>
    public async Task<Domain.Refusal?> WhyNotAsync(CancellationToken cancellationToken)
    {
        if (departure.HasBegun || lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return new("service.stopping", "The service is ending and takes nothing new.", "Ask the next one, or wait until it is started again.");
        }

        if (await seat.WhyNotAsync(cancellationToken) is { } apart)
        {
            return apart;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ProbeLimit);
        try
        {
            await store.ProbeAsync(limit.Token);
            return null;
        }
        catch (StoreException problem)
        {
            return new(problem.Code, problem.Message, "Look at the data directory's file system and at the log.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new(StoreUnavailableException.Slow, $"The store did not commit within {ProbeLimit.TotalSeconds:0} s.", "Look at the load of the disk under the data directory.");
        }
    }
}
