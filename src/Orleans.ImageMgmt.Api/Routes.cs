namespace Orleans.ImageMgmt.Api;

/// <summary>The paths of the HTTP API.</summary>
public static class Routes
{
    /// <summary>Every path of this version of the API begins with it.</summary>
    public const string Root = "/api/v1";

    public const string Pods = Root + "/pods";
    public const string PodProbe = Pods + "/probe";
    public const string Pod = Pods + "/{pod}";
    public const string PodLabels = Pod + "/labels";
    public const string PodDrain = Pod + "/drain";
    public const string PodDisconnect = Pod + "/disconnect";
    public const string PodSources = Pod + "/sources";
    public const string PodCopies = Pod + "/copies";
    public const string PodUploads = Pod + "/uploads";

    public const string Uploads = Root + "/uploads";
    public const string Upload = Uploads + "/{upload}";

    public const string Images = Root + "/images";
    public const string Image = Images + "/{image}";
    public const string ImageDisable = Image + "/disable";
    public const string ImageEnable = Image + "/enable";
    public const string Versions = Image + "/versions";
    public const string Version = Versions + "/{version}";
    public const string VersionPublish = Version + "/publish";
    public const string VersionDisable = Version + "/disable";
    public const string VersionEnable = Version + "/enable";
    public const string VersionCopies = Version + "/copies";
    public const string VersionCopy = VersionCopies + "/{pod}";
    public const string VersionReceipts = Version + "/receipts";

    public const string Operations = Root + "/operations";
    public const string Operation = Operations + "/{operation}";
    public const string OperationTargets = Operation + "/targets";
    public const string OperationCancel = Operation + "/cancel";
    public const string OperationPause = Operation + "/pause";
    public const string OperationResume = Operation + "/resume";
    public const string OperationRetry = Operation + "/retry";
    public const string OperationEvents = Operation + "/events";

    public const string Activity = Root + "/activity";

    public const string Tokens = Root + "/tokens";
    public const string Token = Tokens + "/{token}";
    public const string Me = Root + "/me";

    public const string ServerVersion = Root + "/version";
    public const string ServerStatus = Root + "/status";
    public const string Backups = Root + "/backups";
    public const string SupportBundle = Root + "/support-bundle";

    /// <summary>The only path that wants no token.</summary>
    public const string Liveness = "/livez";
    public const string Readiness = "/readyz";
    public const string Metrics = "/metrics";
    public const string OpenApi = "/openapi/v1.json";

    /// <summary>Puts values into a path, each escaped.</summary>
    public static string Fill(string route, params ReadOnlySpan<string> values)
    {
        var next = 0;
        var parts = route.Split('/');
        for (var i = 0; i < parts.Length; i++)
        {
            if (parts[i] is ['{', .., '}'])
            {
                parts[i] = Uri.EscapeDataString(values[next++]);
            }
        }

        return string.Join('/', parts);
    }
}

/// <summary>Headers of the API that HTTP itself does not have.</summary>
public static class ApiHeaders
{
    /// <summary>The operation's id, chosen by the caller: the same key and body again is the same operation.</summary>
    public const string IdempotencyKey = "Idempotency-Key";

    /// <summary>Where the bytes of a <c>PATCH</c> begin, and how many are already here.</summary>
    public const string UploadOffset = "Upload-Offset";

    /// <summary>Length of the whole upload.</summary>
    public const string UploadLength = "Upload-Length";

    /// <summary>The last event that a reconnecting client has seen.</summary>
    public const string LastEventId = "Last-Event-ID";
}
