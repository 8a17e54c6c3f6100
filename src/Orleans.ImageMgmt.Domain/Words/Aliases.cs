namespace Orleans.ImageMgmt.Domain;

/// <summary>Every Orleans alias of the product, in one place. Fixed for ever once released; a test checks that they are unique.</summary>
public static class Aliases
{
#pragma warning disable CS1591 // each is the alias of the type or grain of the same name: there is nothing else to say about it
    public const string ImageName = "im.ImageName";
    public const string VersionName = "im.VersionName";
    public const string PodName = "im.PodName";
    public const string OperationId = "im.OperationId";
    public const string VersionId = "im.VersionId";
    public const string Generation = "im.Generation";
    public const string Digest = "im.Digest";
    public const string ConnectorFault = "im.ConnectorFault";
    public const string Refusal = "im.Refusal";
    public const string ContentDescription = "im.ContentDescription";
    public const string Receipt = "im.Receipt";
    public const string SourceRef = "im.SourceRef";
    public const string Copy = "im.Copy";
    public const string Pod = "im.Pod";
    public const string RequestedBy = "im.RequestedBy";
    public const string Version = "im.Version";
    public const string UnstartedPublish = "im.UnstartedPublish";
    public const string VersionEntry = "im.VersionEntry";
    public const string Image = "im.Image";
    public const string TargetTotals = "im.TargetTotals";
    public const string Publish = "im.Publish";
    public const string PublishOrder = "im.PublishOrder";
    public const string ShardTarget = "im.ShardTarget";
    public const string Shard = "im.Shard";
    public const string ImportRequest = "im.ImportRequest";
    public const string PublishRequest = "im.PublishRequest";
    public const string CopyStanding = "im.CopyStanding";
    public const string CopyProgress = "im.CopyProgress";
    public const string CopyView = "im.CopyView";
    public const string PrepareOrder = "im.PrepareOrder";
    public const string EnsureOrder = "im.EnsureOrder";
    public const string TargetView = "im.TargetView";
    public const string TargetPage = "im.TargetPage";
    public const string PublishView = "im.PublishView";
    public const string WorkerResult = "im.WorkerResult";
    public const string Reply = "im.Reply`1"; // a generic type is named with its arity, or its name cannot be read back
    public const string ImageGrain = "im.ImageGrain";
    public const string VersionGrain = "im.VersionGrain";
    public const string PodGrain = "im.PodGrain";
    public const string PublishGrain = "im.PublishGrain";
    public const string ShardGrain = "im.ShardGrain";
    public const string PodView = "im.PodView";
    public const string SourceList = "im.SourceList";
    public const string SourceItem = "im.SourceItem";
    public const string StoreException = "im.StoreException";
    public const string StoreUnavailable = "im.StoreUnavailable";
    public const string StoreCorrupt = "im.StoreCorrupt";
    public const string DataDirectoryInUse = "im.DataDirectoryInUse";
    public const string StoreSchema = "im.StoreSchema";
    public const string StateSchema = "im.StateSchema";
    public const string PodSpec = "im.PodSpec";
    public const string ListRequest = "im.ListRequest";
    public const string ListPage = "im.ListPage`1";
    public const string ImageRow = "im.ImageRow";
    public const string VersionRow = "im.VersionRow";
    public const string PodRow = "im.PodRow";
    public const string CopyRow = "im.CopyRow";
    public const string OperationRow = "im.OperationRow";
    public const string ActivityEntry = "im.ActivityEntry";
    public const string CatalogGrain = "im.CatalogGrain";
    public const string RetryScope = "im.RetryScope";
    public const string Precondition = "im.Precondition";
    public const string RequestKeyGrain = "im.RequestKeyGrain";
    public const string TokenName = "im.TokenName";
    public const string Token = "im.Token";
    public const string TokenSet = "im.TokenSet";
    public const string TokenOrder = "im.TokenOrder";
    public const string TokensGrain = "im.TokensGrain";
    public const string GatewayPreamble = "im.GatewayPreamble";
    public const string ContentDamage = "im.ContentDamage";
    public const string CopyRepair = "im.CopyRepair";
    public const string CopyCheck = "im.CopyCheck";
    public const string RefusedException = "im.RefusedException";
    public const string PodCaps = "im.PodCaps";
    public const string CopyHold = "im.CopyHold";
    public const string PodPlan = "im.PodPlan";
    public const string PodReceive = "im.PodReceive";
    public const string FanOutGrain = "im.FanOutGrain";
    public const string FanOutOrder = "im.FanOutOrder";
    public const string FanOutReport = "im.FanOutReport";
#pragma warning restore CS1591
}
