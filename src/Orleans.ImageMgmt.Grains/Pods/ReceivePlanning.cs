using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Asks a pod's connector, outside of its grain's turns, what a receive would take. Reads the manifest from the source and, where it is behind a link, digests of
/// blocks; no content.</summary>
internal static class ReceivePlanning
{
    public static async Task<PodPlan> AskAsync(
        ConnectorCache connectors, PodPlan plan, PodSpec spec, PodSpec? from, VersionId version, ContentDescription content, CancellationToken stop)
    {
        if (connectors.Get(spec) is not ConnectorResult<IPodConnector>.Done(var target))
        {
            return plan with { Unknown = $"Pod {spec.Name} cannot be opened with its settings." };
        }

        if (!target.Capabilities.CanPlan)
        {
            return plan with { Unknown = $"{target.Capabilities.Name} cannot say beforehand what a transfer would take." };
        }

        if (from is null || connectors.Get(from) is not ConnectorResult<IPodConnector>.Done(var sender))
        {
            return plan with { Unknown = "The source pod cannot be opened with its settings." };
        }

        if (await sender.OpenAsync(version, content, stop) is not ConnectorResult<IContentReader>.Done(var reader))
        {
            return plan with { Unknown = $"The source pod {from.Name} cannot open {version} now." };
        }

        await using var source = reader;
        var answer = source is { LocalFile: null } and IBlockReader far
            ? await target.PlanReceiveAsync(version, content, source.Manifest, far, stop)
            : await target.PlanReceiveAsync(version, content, source.Manifest, stop);
        return answer switch
        {
            ConnectorResult<ReceivePlan>.Done(var found) => Of(plan, found),
            ConnectorResult<ReceivePlan>.Failed({ Cause: FaultCause.Unsupported or FaultCause.Cancelled } fault) => plan with { Unknown = fault.Detail },
            ConnectorResult<ReceivePlan>.Failed(var fault) => plan with { Refusal = new Refusal(fault.Code, fault.Detail, fault.NextStep) },
            _ => plan with { Unknown = $"Pod {spec.Name} is busy." },
        };
    }

    private static PodPlan Of(PodPlan plan, ReceivePlan found)
    {
        var receive = new PodReceive(found.Datastore, found.BytesToSend, found.BytesStaged, found.BytesReused, found.RoomNeeded, found.RoomFree, found.IsHeld, found.ByBlocks);
        return found.RoomFree is { } free && free < found.RoomNeeded
            ? plan with
            {
                Receive = receive,
                Refusal = new Refusal("receive.no-room", $"Datastore '{found.Datastore}' of pod {plan.Pod} has {free} bytes for a copy; {found.RoomNeeded} are needed.",
                    "Make room on the datastore, or leave the pod out."),
            }
            : plan with { Receive = receive };
    }
}
