using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Asks one pod, outside its grain's turns, whether it is there. One question at a time: a probe that hangs in the pod's storage holds a
/// thread, so no second one is sent after it; the pod counts as not answering meanwhile.
/// </summary>
internal sealed class PodProbing(ConnectorCache connectors, Reporter reporter, ImageMgmtOptions options)
{
    private DateTimeOffset? sentAt;
    private Task lastQuestion = Task.CompletedTask;

    /// <summary>The answer came, or is no longer of interest.</summary>
    public void Forget() => sentAt = null;

    /// <summary>Sends a probe unless one is under way. Returns when its answer counts as lost.</summary>
    public DateTimeOffset Ensure(IPodGrain pod, PodSpec spec, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var patience = options.ProbeTimeout + options.Probe.RetryInterval;
        if (sentAt is not { } sent || sent + patience <= now)
        {
            sentAt = sent = now;
            Send(pod, spec, time);
        }

        return sent + patience;
    }

    private void Send(IPodGrain pod, PodSpec spec, TimeProvider time)
    {
        if (!lastQuestion.IsCompleted)
        {
            reporter.Send(spec.Name.Value, () => pod.ProbedAsync(TimedOut(spec.Name)));
            return;
        }

        var question = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lastQuestion = question.Task;
        reporter.Send(spec.Name.Value, async () => await pod.ProbedAsync(await ProbeAsync(spec, question, time)), lost: question.SetResult);
    }

    private async Task<ConnectorFault?> ProbeAsync(PodSpec spec, TaskCompletionSource question, TimeProvider time)
    {
        using var stop = new CancellationTokenSource(options.ProbeTimeout, time);
        var answer = Task.Run(() => AskAsync(spec, question, stop.Token), CancellationToken.None);
        try
        {
            return await answer.WaitAsync(options.ProbeTimeout, time);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            return TimedOut(spec.Name);
        }
        catch (Exception bug)
        {
            return new ConnectorFault(FaultStage.Probe, FaultCause.Unexpected, $"{bug.GetType().Name}: {bug.Message}", "This is a defect: report it with the server's log.");
        }
    }

    private async Task<ConnectorFault?> AskAsync(PodSpec spec, TaskCompletionSource question, CancellationToken stop)
    {
        try
        {
            return connectors.Get(spec) switch
            {
                ConnectorResult<IPodConnector>.Done(var connector) => await connector.ProbeAsync(stop) is ConnectorResult<PodProbe>.Failed(var fault) ? fault : null,
                ConnectorResult<IPodConnector>.Failed(var fault) => fault,
                _ => null,
            };
        }
        finally
        {
            question.SetResult();
        }
    }

    private ConnectorFault TimedOut(PodName pod) => new(
        FaultStage.Probe, FaultCause.TimedOut, $"Pod {pod} did not answer within {options.ProbeTimeout.TotalSeconds:0} s.", "Check the pod and the way to it.");
}
