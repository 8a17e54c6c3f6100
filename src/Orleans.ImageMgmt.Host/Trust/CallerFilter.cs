using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;

namespace Orleans.ImageMgmt.Host;

/// <summary>Every call of a grain that came in through the gateway: lets through what the interface opens to the caller's role, under the caller's own name.</summary>
internal sealed partial class CallerFilter(CallerDirectory callers, ILogger<CallerFilter> logger) : IIncomingGrainCallFilter
{
    /// <summary>What Orleans' own client asks of a gateway: which grains there are and where.</summary>
    private const string ManifestInterface = "Orleans.Runtime.IClusterManifestSystemTarget";

    private readonly ConcurrentDictionary<MethodInfo, string?> needed = new();

    public Task Invoke(IIncomingGrainCallContext context) =>
        context.SourceId is { } source && GatewayCallers.IsOutside(source) ? InvokeOutsideAsync(context, source) : context.Invoke();

    private async Task InvokeOutsideAsync(IIncomingGrainCallContext context, GrainId source)
    {
        var caller = await callers.FindAsync(source)
            ?? throw new RefusedException(new Refusal("caller.unknown", "This call has no caller that a gateway knows.", "Connect to a gateway of the service again."));
        if (!caller.IsTrusted)
        {
            Check(context.Request, caller);
        }

        await context.Invoke();
    }

    /// <exception cref="RefusedException">The call is not for this caller, or a word in it is none.</exception>
    private void Check(IInvokable request, GatewayCaller caller)
    {
        if (request.GetInterfaceType().FullName == ManifestInterface)
        {
            return;
        }

        var method = $"{request.GetInterfaceName()}.{request.GetMethodName()}";
        if (NeededRole(request.GetMethod()) is not { } role)
        {
            Refused(logger, caller.Name.Name, method, "it is not for callers");
            throw new RefusedException(new Refusal("call.not-open", $"{method} is for the service itself.", "Use the verbs of ImageMgmtClient."));
        }

        if (!CallerRoles.Allows(caller.Name.Role, role))
        {
            Refused(logger, caller.Name.Name, method, $"it needs the role {role}");
            throw new RefusedException(new Refusal(
                "role.missing", $"Caller {caller.Name.Name} is {caller.Name.Role}, and {method} needs {role}.", $"Call with a certificate of role {role}: imgmt trust issue-client."));
        }

        for (var at = 0; at < request.GetArgumentCount(); at++)
        {
            if (request.GetArgument(at) is { } argument)
            {
                CallerArguments.Check(argument);
                request.SetArgument(at, CallerArguments.Signed(argument, caller));
            }
        }
    }

    private string? NeededRole(MethodInfo method) => needed.GetOrAdd(method, open => open.GetCustomAttribute<OpenToAttribute>()?.Role);

    [LoggerMessage(EventId = 4003, Level = LogLevel.Warning, Message = "A call of {Method} by {Name} was refused: {Reason}.")]
    private static partial void Refused(ILogger logger, string name, string method, string reason);
}
