using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Every call of a grain that came in through the gateway: lets through what the interface opens to the caller's role, under the caller's own name.</summary>
internal sealed partial class CallerFilter(GatewayCallers callers, ILogger<CallerFilter> logger) : IIncomingGrainCallFilter
{
    /// <summary>What Orleans' own client asks of a gateway: which grains there are and where.</summary>
    private const string ManifestInterface = "Orleans.Runtime.IClusterManifestSystemTarget";

    private readonly ConcurrentDictionary<MethodInfo, string?> needed = new();

    public Task Invoke(IIncomingGrainCallContext context) =>
        context.SourceId is { } source && GatewayCallers.IsOutside(source) ? InvokeOutsideAsync(context, callers.Find(source)) : context.Invoke();

    private Task InvokeOutsideAsync(IIncomingGrainCallContext context, GatewayCaller? caller)
    {
        var request = context.Request;
        if (caller is null)
        {
            throw new RefusedException(new Refusal("caller.unknown", "This call has no caller that the gateway knows.", "Connect to the gateway of the silo again."));
        }

        if (request.GetInterfaceType().FullName == ManifestInterface)
        {
            return context.Invoke();
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

        return context.Invoke();
    }

    private string? NeededRole(MethodInfo method) => needed.GetOrAdd(method, open => open.GetCustomAttribute<OpenToAttribute>()?.Role);

    [LoggerMessage(EventId = 4003, Level = LogLevel.Warning, Message = "A call of {Method} by {Name} was refused: {Reason}.")]
    private static partial void Refused(ILogger logger, string name, string method, string reason);
}
