using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Uploads over HTTP: a disk on the user's own machine becomes a source on a pod.</summary>
internal sealed class UploadDoors(IGrainFactory grains, UploadDesk desk, HttpOptions options, TimeProvider time)
{
    private const int InsufficientStorage = StatusCodes.Status507InsufficientStorage;

    public void Map(IEndpointRouteBuilder app)
    {
        app.Door("POST", Wire.Routes.PodUploads, "BeginUpload", "Begins the upload of a disk that becomes a source on a pod.", Roles.Publisher, BeginAsync)
            .Takes<Wire.UploadRequest>().Produces<Wire.UploadResource>(StatusCodes.Status201Created)
            .Refuses(StatusCodes.Status409Conflict, StatusCodes.Status429TooManyRequests, InsufficientStorage);
        app.Door("GET", Wire.Routes.Upload, "GetUpload", "Shows how far an upload is.", Roles.Publisher, GetAsync).Produces<Wire.UploadResource>();
        app.Door("HEAD", Wire.Routes.Upload, "HeadUpload", "Tells in headers how far an upload is.", Roles.Publisher, GetAsync).Produces(StatusCodes.Status200OK);
        app.Door("PATCH", Wire.Routes.Upload, "SendUpload", "Sends the next bytes of an upload.", Roles.Publisher, PatchAsync)
            .WithMetadata(new BodyLimit(null)).Produces<Wire.UploadResource>()
            .Reads(new DoorParameter(Wire.ApiHeaders.UploadOffset, "header", "Where these bytes begin: the upload's offsetBytes.", typeof(long), IsRequired: true))
            .Refuses(StatusCodes.Status409Conflict, StatusCodes.Status415UnsupportedMediaType, InsufficientStorage);
        app.Door("DELETE", Wire.Routes.Upload, "DeleteUpload", "Throws an upload away; a source that is complete stays.", Roles.Publisher, DeleteAsync).Produces(StatusCodes.Status204NoContent);
    }

    private async Task<IResult> BeginAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var pod = ask.Path<PodName>("pod");
        var body = await ask.BodyAsync<Wire.UploadRequest>();
        var digest = ask.Word<Digest>("sha256", body.Sha256);
        var by = ask.By(body.Reason);
        if (body.LengthBytes is < 1 or > Limits.DiskLength)
        {
            ask.Fault("lengthBytes", "field.invalid", $"It must be 1 to {Limits.DiskLength}.");
        }

        ask.Check();
        if ((await grains.GetPod(pod).GetAsync()).Pod.Spec is null)
        {
            throw RequestProblem.Unknown("pod", pod.Value);
        }

        var now = time.GetUtcNow();
        var intake = await desk.IntakeOfAsync(pod);
        await intake.ExpireAsync(now - desk.Idle, ask.Stop);
        var begun = await intake.BeginAsync(new SourceParcel(UploadDesk.NewId(pod), body.Name, body.LengthBytes, digest, 0, now, now, false), options.UploadsPerPod, ask.Stop);
        var parcel = OrThrow(begun);
        await grains.GetPod(pod).NoteAsync(by, "upload.begun", $"Upload of source {parcel.Name} to pod {pod}, {parcel.Length} bytes");
        http.Response.Headers.Location = Wire.Routes.Fill(Wire.Routes.Upload, parcel.Id);
        return Show(http, pod, parcel, StatusCodes.Status201Created);
    }

    private async Task<IResult> GetAsync(HttpContext http)
    {
        var (ask, pod, id) = Read(http);
        var parcel = OrThrow(await (await desk.IntakeOfAsync(pod)).FindAsync(id, ask.Stop));
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            return Show(http, pod, parcel);
        }

        Tell(http, parcel);
        return Results.Ok();
    }

    private async Task<IResult> PatchAsync(HttpContext http)
    {
        var (ask, pod, id) = Read(http);
        if (http.Request.ContentType is not { } media || !media.EndsWith("octet-stream", StringComparison.OrdinalIgnoreCase))
        {
            throw ProblemMiddleware.MediaType(http.Request.ContentType, "application/octet-stream");
        }

        var text = http.Request.Headers[Wire.ApiHeaders.UploadOffset].ToString();
        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var offset))
        {
            ask.Fault(Wire.ApiHeaders.UploadOffset, "header.invalid", "It must be a whole number: where these bytes begin.");
        }

        ask.Check();
        var intake = await desk.IntakeOfAsync(pod);
        var before = OrThrow(await intake.FindAsync(id, ask.Stop));
        var parcel = OrThrow(await intake.AppendAsync(id, offset, http.Request.Body, ask.Stop));
        if (parcel.IsComplete && !before.IsComplete)
        {
            await grains.GetPod(pod).NoteAsync(ask.By(null), "upload.completed", $"Source {parcel.Name} is on pod {pod} with {parcel.Digest}");
        }

        return Show(http, pod, parcel);
    }

    private async Task<IResult> DeleteAsync(HttpContext http)
    {
        var (ask, pod, id) = Read(http);
        var parcel = OrThrow(await (await desk.IntakeOfAsync(pod)).DiscardAsync(id, ask.Stop));
        await grains.GetPod(pod).NoteAsync(ask.By(null), "upload.deleted", $"Upload {id} of source {parcel.Name} was thrown away");
        return Results.NoContent();
    }

    private static (Ask Ask, PodName Pod, string Id) Read(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var id = (string?)http.GetRouteValue("upload") ?? "";
        ask.Check();
        return UploadDesk.PodOf(id) is { } pod ? (ask, pod, id) : throw RequestProblem.Unknown("upload", id);
    }

    private static SourceParcel OrThrow(IntakeResult result) => result.Refusal is { } refusal ? throw RequestProblem.Of(refusal) : result.Parcel!;

    private IResult Show(HttpContext http, PodName pod, SourceParcel parcel, int status = StatusCodes.Status200OK)
    {
        Tell(http, parcel);
        return Replies.One(http, new Wire.UploadResource
        {
            Id = parcel.Id,
            Pod = pod.Value,
            Name = parcel.Name,
            State = parcel.IsComplete ? Wire.UploadState.Completed : Wire.UploadState.Open,
            LengthBytes = parcel.Length,
            OffsetBytes = parcel.Offset,
            Sha256 = parcel.Digest?.Value,
            CreatedAt = parcel.CreatedAt,
            ExpiresAt = parcel.IsComplete ? null : parcel.ChangedAt + desk.Idle,
        }, null, status);
    }

    private static void Tell(HttpContext http, SourceParcel parcel)
    {
        http.Response.Headers[Wire.ApiHeaders.UploadOffset] = parcel.Offset.ToString(CultureInfo.InvariantCulture);
        http.Response.Headers[Wire.ApiHeaders.UploadLength] = parcel.Length.ToString(CultureInfo.InvariantCulture);
    }
}
