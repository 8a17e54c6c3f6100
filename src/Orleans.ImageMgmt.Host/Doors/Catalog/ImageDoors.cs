using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>Images over HTTP.</summary>
internal sealed class ImageDoors(IGrainFactory grains, CatalogReader catalog, Accepting accepting)
{
    public void Map(IEndpointRouteBuilder app)
    {
        app.Door("GET", Wire.Routes.Images, "ListImages", "Lists images by name.", Roles.Viewer, ListAsync).Produces<Wire.Page<Wire.ImageResource>>()
            .Query("status", "Only images with this status.", typeof(Wire.ImageStatus)).Query("family", "Only images of this family.", typeof(string))
            .Query("name", "Only images whose name begins with this.", typeof(string)).Query("sort", "name or -name.", typeof(string)).Pages();
        app.Door("GET", Wire.Routes.Image, "GetImage", "Shows an image.", Roles.Viewer, GetAsync).Produces<Wire.ImageResource>();
        app.Door("POST", Wire.Routes.ImageDisable, "DisableImage", "Stops new use of an image.", Roles.Publisher, DisableAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).Produces<Wire.ImageResource>().HeedsTag().Refuses(StatusCodes.Status409Conflict);
        app.Door("POST", Wire.Routes.ImageEnable, "EnableImage", "Allows new use of an image again.", Roles.Publisher, EnableAsync)
            .Takes<Wire.ActionRequest>(isOptional: true).Produces<Wire.ImageResource>().HeedsTag().Refuses(StatusCodes.Status409Conflict);
        app.Door("DELETE", Wire.Routes.Image, "DeleteImage", "Removes every version of an image with all its copies.", Roles.Publisher, DeleteAsync)
            .Query("reason", "Why, for the activity log.", typeof(string)).BeginsOperation().HeedsTag();
    }

    private async Task<IResult> ListAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("status", "family", "name", "sort", "limit", "cursor");
        var query = new CatalogQuery(CatalogKind.Image)
        {
            Status = ask.QueryEnum<Wire.ImageStatus, ImageStatus>("status")?.ToString(),
            Family = ask.QueryText("family", Limits.LabelLength),
            NamePrefix = ask.QueryText("name", Limits.LabelLength),
            Descending = ask.Descending("name"),
            After = ask.Cursor(),
            Limit = ask.Limit(),
        };
        ask.Check();
        var page = await catalog.ListAsync(query, ask.Stop);
        return Replies.Page(http, [.. page.Rows.Select(ToWire.Image)], page.Next?.ToString());
    }

    private async Task<IResult> GetAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<ImageName>("image");
        ask.Check();
        return await ShowAsync(http, name);
    }

    private Task<IResult> DisableAsync(HttpContext http) => ChangeAsync(http, (image, by, precondition) => image.DisableAsync(by, precondition));

    private Task<IResult> EnableAsync(HttpContext http) => ChangeAsync(http, (image, by, precondition) => image.EnableAsync(by, precondition));

    private async Task<IResult> ChangeAsync(HttpContext http, Func<IImageGrain, RequestedBy, Precondition?, Task<Reply<ImageStatus>>> change)
    {
        var ask = new Ask(http).Knows();
        var name = ask.Path<ImageName>("image");
        var body = await ask.BodyAsync<Wire.ActionRequest>(mayBeEmpty: true);
        var (by, precondition) = (ask.By(body.Reason), ask.Precondition());
        ask.Check();
        await FindAsync(name);
        (await change(grains.GetImage(name), by, precondition)).OrThrow();
        return await ShowAsync(http, name);
    }

    private async Task<IResult> DeleteAsync(HttpContext http)
    {
        var ask = new Ask(http).Knows("reason");
        var name = ask.Path<ImageName>("image");
        var reason = ask.QueryText("reason", Limits.DescriptionLength);
        var (by, precondition, operation) = (ask.By(reason), ask.Precondition(), ask.Operation());
        ask.Check();
        await FindAsync(name);
        return await accepting.BeginAsync(http, operation, reason ?? "", id => grains.GetImage(name).DeleteAsync(id, by, precondition));
    }

    private async Task<Image> FindAsync(ImageName name)
    {
        var image = await grains.GetImage(name).GetAsync();
        return image.Exists ? image : throw RequestProblem.Unknown("image", name.Value);
    }

    private async Task<IResult> ShowAsync(HttpContext http, ImageName name)
    {
        var image = ToWire.Image(await FindAsync(name));
        return Replies.One(http, image, image.Etag);
    }
}
