using Microsoft.AspNetCore.Builder;

namespace Orleans.ImageMgmt.Host;

/// <summary>HTTP: what people and programs use the service through.</summary>
internal static class Doors
{
    public static void AddDoors(this WebApplicationBuilder builder, HostSettings settings, HttpOptions http)
    {
    }

    public static void MapDoors(this WebApplication app)
    {
    }
}
