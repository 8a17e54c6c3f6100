namespace Orleans.ImageMgmt.Domain;

/// <summary>Limits that hold everywhere, each with its reason.</summary>
public static class Limits
{
    /// <summary>Pods in one service: twice the largest estate we design for.</summary>
    public const int Pods = 10_000;

    /// <summary>Images in the catalog.</summary>
    public const int Images = 100_000;

    /// <summary>Versions of one image: an image grain's record lists them.</summary>
    public const int VersionsPerImage = 1_000;

    /// <summary>Copies that one pod holds; each is a record of its own.</summary>
    public const int CopiesPerPod = 10_000;

    /// <summary>Labels on one thing.</summary>
    public const int Labels = 32;

    /// <summary>Characters in one label key or value.</summary>
    public const int LabelLength = 128;

    /// <summary>Characters of a description.</summary>
    public const int DescriptionLength = 1_024;

    /// <summary>Settings of one pod.</summary>
    public const int PodSettings = 64;

    /// <summary>Characters in one setting's value: a path or an address.</summary>
    public const int SettingLength = 4_096;

    /// <summary>Guest-visible length of a disk: 64 TiB, the largest VHDX.</summary>
    public const long DiskLength = 64L << 40;

    /// <summary>Pods per shard of a publish: bounds one stored record and one reporting fan-in.</summary>
    public const int PodsPerShard = 250;

    /// <summary>Transfers that may run at once on one pod.</summary>
    public const int SlotsPerPod = 16;

    /// <summary>Copies that may wait or run on one pod.</summary>
    public const int QueuePerPod = 1_000;

    /// <summary>Tokens of one service, those that no longer work counted too: they are one record, and every process keeps a copy.</summary>
    public const int Tokens = 1_000;

    /// <summary>Rows on one page of a list.</summary>
    public const int PageRows = 500;

    /// <summary>Pieces of one content in a fan-out: bounds what the tracker keeps for each pod, and how often a pod tells it something.</summary>
    public const int PiecesPerContent = 1_024;
}
