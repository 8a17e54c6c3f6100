using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>HTTP: what people and programs use the service through.</summary>
internal static class Doors
{
    public static void AddDoors(this WebApplicationBuilder builder, HostSettings settings, HttpOptions http)
    {
        builder.Services.ConfigureHttpJsonOptions(json => ImageMgmtJson.Apply(json.SerializerOptions));
        builder.Services.AddApiDescription();
        builder.Services.AddSingleton<OperationReader>();
        builder.Services.AddSingleton<OperationFeeds>();
        builder.Services.AddSingleton<OpenOperations>();
        builder.Services.AddSingleton<Accepting>();
        builder.Services.AddSingleton<PodDoors>();
        builder.Services.AddSingleton<ImageDoors>();
        builder.Services.AddSingleton<VersionDoors>();
        builder.Services.AddSingleton<TicketDoors>();
        builder.Services.AddSingleton<OperationDoors>();
        builder.Services.AddSingleton<UploadDesk>();
        builder.Services.AddHostedService(services => services.GetRequiredService<UploadDesk>());
        builder.Services.AddSingleton<UploadDoors>();
    }

    /// <summary>Right behind the locks, so that what goes wrong in any endpoint is answered in one way.</summary>
    public static void UseDoors(this WebApplication app) => app.UseMiddleware<ProblemMiddleware>();

    public static void MapDoors(this WebApplication app)
    {
        app.Services.GetRequiredService<PodDoors>().Map(app);
        app.Services.GetRequiredService<ImageDoors>().Map(app);
        app.Services.GetRequiredService<VersionDoors>().Map(app);
        app.Services.GetRequiredService<TicketDoors>().Map(app);
        app.Services.GetRequiredService<OperationDoors>().Map(app);
        app.Services.GetRequiredService<UploadDoors>().Map(app);
        app.MapApiDescription();
    }
}
