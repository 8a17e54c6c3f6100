using System.Net;

namespace Orleans.ImageMgmt.Api;

/// <summary>The paths of the HTTP API.</summary>
public static class Routes
{
    /// <summary>Every path of this version of the API begins with it.</summary>
    public const string Root = "/api/v1";

    /// <summary>Pods: list.</summary>
    public const string Pods = Root + "/pods";

    /// <summary>Try a pod's settings.</summary>
    public const string PodProbe = Pods + "/probe";

    /// <summary>One pod: show, connect.</summary>
    public const string Pod = Pods + "/{pod}";

    /// <summary>A pod's labels.</summary>
    public const string PodLabels = Pod + "/labels";

    /// <summary>The caps of one pod.</summary>
    public const string PodCaps = Pod + "/caps";

    /// <summary>Give a pod nothing new.</summary>
    public const string PodDrain = Pod + "/drain";

    /// <summary>End the use of a pod.</summary>
    public const string PodDisconnect = Pod + "/disconnect";

    /// <summary>What can be imported from a pod.</summary>
    public const string PodSources = Pod + "/sources";

    /// <summary>The copies on a pod.</summary>
    public const string PodCopies = Pod + "/copies";

    /// <summary>Begin an upload to a pod.</summary>
    public const string PodUploads = Pod + "/uploads";

    /// <summary>Uploads.</summary>
    public const string Uploads = Root + "/uploads";

    /// <summary>One upload: how far it is, its bytes, its end.</summary>
    public const string Upload = Uploads + "/{upload}";

    /// <summary>Images: list.</summary>
    public const string Images = Root + "/images";

    /// <summary>One image: show, delete.</summary>
    public const string Image = Images + "/{image}";

    /// <summary>Stop new use of an image.</summary>
    public const string ImageDisable = Image + "/disable";

    /// <summary>Allow new use of an image again.</summary>
    public const string ImageEnable = Image + "/enable";

    /// <summary>Versions of an image: list, import.</summary>
    public const string Versions = Image + "/versions";

    /// <summary>One version: show, delete.</summary>
    public const string Version = Versions + "/{version}";

    /// <summary>Put copies of a version on pods.</summary>
    public const string VersionPublish = Version + "/publish";

    /// <summary>What a publish would take; nothing is changed.</summary>
    public const string VersionPublishPlan = VersionPublish + "/plan";

    /// <summary>Stop new use of a version.</summary>
    public const string VersionDisable = Version + "/disable";

    /// <summary>Allow new use of a version again.</summary>
    public const string VersionEnable = Version + "/enable";

    /// <summary>The copies of a version.</summary>
    public const string VersionCopies = Version + "/copies";

    /// <summary>The copy of a version on one pod.</summary>
    public const string VersionCopy = VersionCopies + "/{pod}";

    /// <summary>Reading a copy back again.</summary>
    public const string VersionCopyVerify = VersionCopy + "/verify";

    /// <summary>A ticket with which somebody else reads a copy.</summary>
    public const string VersionCopyTicket = VersionCopy + "/ticket";

    /// <summary>The proofs of a version's copies.</summary>
    public const string VersionReceipts = Version + "/receipts";

    /// <summary>Operations: list.</summary>
    public const string Operations = Root + "/operations";

    /// <summary>One operation.</summary>
    public const string Operation = Operations + "/{operation}";

    /// <summary>The pods of an operation, and how each stands.</summary>
    public const string OperationTargets = Operation + "/targets";

    /// <summary>Stop what has not finished.</summary>
    public const string OperationCancel = Operation + "/cancel";

    /// <summary>Begin nothing new.</summary>
    public const string OperationPause = Operation + "/pause";

    /// <summary>Go on after a pause.</summary>
    public const string OperationResume = Operation + "/resume";

    /// <summary>Try again what failed.</summary>
    public const string OperationRetry = Operation + "/retry";

    /// <summary>What changes about an operation, as a stream of server-sent events.</summary>
    public const string OperationEvents = Operation + "/events";

    /// <summary>The activity log.</summary>
    public const string Activity = Root + "/activity";

    /// <summary>Tokens: list, make.</summary>
    public const string Tokens = Root + "/tokens";

    /// <summary>One token: revoke.</summary>
    public const string Token = Tokens + "/{token}";

    /// <summary>Who asks.</summary>
    public const string Me = Root + "/me";

    /// <summary>Which program this is.</summary>
    public const string ServerVersion = Root + "/version";

    /// <summary>How the service is.</summary>
    public const string ServerStatus = Root + "/status";

    /// <summary>Make a backup.</summary>
    public const string Backups = Root + "/backups";

    /// <summary>Fetch a support bundle.</summary>
    public const string SupportBundle = Root + "/support-bundle";

    /// <summary>The only path that wants no token.</summary>
    public const string Liveness = "/livez";

    /// <summary>Whether the service takes work: 200 or 503.</summary>
    public const string Readiness = "/readyz";

    /// <summary>200 once the service has started and taken up what was unfinished.</summary>
    public const string Startup = "/startupz";

    /// <summary>Measurements in Prometheus' text format.</summary>
    public const string Metrics = "/metrics";

    /// <summary>The description of this API, OpenAPI 3.1.</summary>
    public const string OpenApi = "/openapi/v1.json";

    /// <summary>Puts values into a path, each escaped.</summary>
    /// <param name="route">One of the paths above.</param>
    /// <param name="values">What stands in its places, in order.</param>
    /// <exception cref="ProblemException">A value can be no part of a path: it is empty, <c>.</c> or <c>..</c>, and would lead to another thing's address.</exception>
    public static string Fill(string route, params ReadOnlySpan<string> values)
    {
        var next = 0;
        var parts = route.Split('/');
        for (var i = 0; i < parts.Length; i++)
        {
            if (parts[i] is ['{', .. var name, '}'])
            {
                parts[i] = Part(name, values[next++]);
            }
        }

        return string.Join('/', parts);
    }

    /// <summary>Escaping leaves dots alone, and whoever reads an address takes <c>..</c> for the folder above: the version <c>..</c> of an image is the image.</summary>
    private static string Part(string what, string value) => value is not ("" or "." or "..") ? Uri.EscapeDataString(value) : throw new ProblemException(
        new Problem
        {
            Type = $"{Problem.TypePrefix}client.invalid-name",
            Title = "Invalid name",
            Status = (int)HttpStatusCode.BadRequest,
            Detail = value.Length == 0 ? $"The name of the {what} is empty." : $"'{value}' is no name of {(what is "image" or "operation" or "upload" ? "an" : "a")} {what}.",
            Code = "client.invalid-name",
            Hint = "Nothing was asked of the server. Check the name.",
        },
        HttpStatusCode.BadRequest);
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
