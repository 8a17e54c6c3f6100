namespace Orleans.ImageMgmt.Api;

/// <summary>The paths of the HTTP API.</summary>
public static class Routes
{
    /// <summary>Every path of this version of the API begins with it.</summary>
    public const string Root = "/api/v1";
}
