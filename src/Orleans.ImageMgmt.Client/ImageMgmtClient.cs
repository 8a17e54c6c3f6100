using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;
using Orleans.Serialization;

namespace Orleans.ImageMgmt.Client;

/// <summary>
/// Plain verbs over the service, for frontends and for the program itself. Every long action returns at once with the id of its operation;
/// no job depends on its caller staying here, and cancelling a call only stops waiting for its answer.
/// </summary>
/// <remarks>
/// Every method throws <see cref="RefusedException"/> when the service says no (the refusal has a stable code, a sentence and a hint), and
/// <see cref="ServiceUnavailableException"/> when it gives no answer; then the call may or may not have been done, and can be repeated: an operation's id
/// makes the repeated call the same operation.
/// </remarks>
public sealed partial class ImageMgmtClient
{
    private readonly IGrainFactory grains;
    private readonly TimeProvider time;

    /// <summary>Uses the grains of a connected Orleans client, or of a silo. Programs call <see cref="ImageMgmtClientExtensions"/> instead.</summary>
    /// <param name="grains">Where grains are called.</param>
    /// <param name="time">What waits are measured by.</param>
    public ImageMgmtClient(IGrainFactory grains, TimeProvider time) => (this.grains, this.time) = (grains, time);

    /// <summary>How often a watched operation is asked. Default: 100 ms.</summary>
    public static TimeSpan WatchInterval { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a watch goes on while the service gives no answer, such as over its restart. Default: 2 minutes.</summary>
    public static TimeSpan WatchPatience { get; } = TimeSpan.FromMinutes(2);

    /// <summary>Says why something is asked; goes into the activity log. Who asks is always the certificate's name.</summary>
    /// <param name="reason">In the caller's words, up to 1,024 characters.</param>
    /// <returns>What methods take as <c>by</c>.</returns>
    public static RequestedBy Because(string reason) => new("caller", "gateway", reason);

    /// <summary>A new id for an operation. Choose it before the call, and a call that got no answer can be repeated safely.</summary>
    /// <returns>An id that nobody has.</returns>
    public static OperationId NewOperation() => new(Guid.CreateVersion7().ToString("N"));

    private static RefusedException Unknown(string what, string name) => new(new Refusal($"{what}.unknown", $"There is no {what} {name}.", $"List the {what}s to see which exist."));

    private static async Task<T> AskAsync<T>(Task<T> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call.WaitAsync(cancellationToken);
        }
        catch (Exception problem) when (problem is TimeoutException or OrleansException or UnavailableExceptionFallbackException)
        {
            throw new ServiceUnavailableException($"The service gave no answer: {problem.Message}", problem);
        }
    }

    private static async Task<T> AskAsync<T>(Task<Reply<T>> call, CancellationToken cancellationToken) => (await AskAsync<Reply<T>>(call, cancellationToken)).OrThrow();

    /// <summary>Asks again while there is no answer, for as long as a watch is patient.</summary>
    private async Task<T> AskPatientlyAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await AskAsync(call(), cancellationToken);
            }
            catch (ServiceUnavailableException) when (time.GetElapsedTime(start) < WatchPatience)
            {
                await Task.Delay(WatchInterval, time, cancellationToken);
            }
        }
    }
}

/// <summary>The service gave no answer. What was asked may or may not have been done; asking again with the same operation id is safe.</summary>
/// <param name="message">What went wrong.</param>
/// <param name="cause">What Orleans said.</param>
public sealed class ServiceUnavailableException(string message, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>Stable, as the codes of refusals are.</summary>
    public string Code { get; } = "service.unavailable";

    /// <summary>What to do.</summary>
    public string Hint { get; } = "Check that the service runs and that its gateway is reachable, then ask again.";
}
