using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Tickets for receivers that fetch a copy by themselves: one content, one receiver, minutes.</summary>
internal sealed class TicketDoors(IGrainFactory grains, ISiteLink? link = null)
{
    public void Map(IEndpointRouteBuilder app) => app
        .Door("POST", Wire.Routes.VersionCopyTicket, "IssueTicket", "Gives a short-lived ticket with which one receiver reads one copy from its block server.", Roles.Operator, IssueAsync)
        .Takes<Wire.TicketRequest>().Produces<Wire.TicketResource>().Refuses(StatusCodes.Status409Conflict);

    private async Task<IResult> IssueAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var (id, pod) = (ask.VersionId(), ask.Path<PodName>("pod"));
        var body = await ask.BodyAsync<Wire.TicketRequest>();
        var receiver = ask.Word<Digest>("receiver", body.Receiver);
        var by = ask.By(body.Reason);
        ask.Check();
        var copy = (await grains.GetPod(pod).GetCopyAsync(id)).Copy;
        if (copy.Revision == 0)
        {
            throw RequestProblem.Of(new Refusal("copy.unknown", $"Pod {pod} holds no copy of {id}.", "List the version's copies to see which exist."));
        }

        if (copy is not { State: CopyState.Available, Content: { } content })
        {
            throw RequestProblem.Of(new Refusal("copy.not-available", $"The copy of {id} on pod {pod} is {copy.State}.", "Only a copy that is Available is given out: wait for it, or take another pod's."));
        }

        var holder = (await grains.GetPod(pod).GetAsync()).Pod;
        if (holder is not { Spec: { } spec, State: not PodState.Disconnected })
        {
            throw RequestProblem.Of(new Refusal("pod.not-connected", $"Pod {pod} is not connected.", "Connect it, or choose another pod."));
        }

        var grant = link?.GrantFor(new BlockPlace(ConnectorRegistry.BlockServerOf(spec), pod, id), content, receiver!.Value)
            ?? throw RequestProblem.Of(new Refusal("copy.not-served", $"No block server gives out the copies of pod {pod}.",
                "Connect the pod with 'site-url' or 'blocks-url', or set Blocks:Listen and Blocks:PublicUrl at the service."));
        await grains.GetPod(pod).NoteAsync(by, "copy.ticket", $"Ticket for {id} on pod {pod} until {grant.Ticket.ExpiresAt:u}, for the certificate {receiver.Value}");
        return Replies.One(http, Of(content, receiver.Value, grant), null);
    }

    private static Wire.TicketResource Of(ContentDescription content, Digest receiver, BlockGrant grant) => new()
    {
        Server = grant.Server,
        Manifest = content.ManifestDigest.ToString(),
        Receiver = receiver.ToString(),
        Ticket = grant.Ticket.Text,
        ExpiresAt = grant.Ticket.ExpiresAt,
    };
}
