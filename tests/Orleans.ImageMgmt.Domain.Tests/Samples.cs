namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>A few fixed nouns that every table and property uses.</summary>
internal static class Samples
{
    internal static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    internal static readonly DateTimeOffset Now = Start.AddMinutes(10);

    internal static readonly VersionId Id = new(new ImageName("win11"), VersionName.First);
    internal static readonly PodName Paris = new("paris");
    internal static readonly PodName Oslo = new("oslo");
    internal static readonly PodName Source = new("source");
    internal static readonly OperationId One = new("op-1");
    internal static readonly OperationId Two = new("op-2");
    internal static readonly RequestedBy By = new("anna", "console", "test");
    internal static readonly SourceRef Disk = new("golden.img");
    internal static readonly ContentDescription Content = ContentOf('a');
    internal static readonly ContentDescription OtherContent = ContentOf('b');

    internal static readonly ConnectorFault Passing = new(FaultStage.Receive, FaultCause.Unreachable, "No answer.", "Wait.");
    internal static readonly ConnectorFault Lasting = new(FaultStage.Receive, FaultCause.Denied, "No permission.", "Grant it.");

    internal static readonly ConnectorFault Damaged = new(FaultStage.Verify, FaultCause.TargetCorrupt, "Two chunks differ.", "Wait.") { Damage = new ContentDamage(2, 1 << 20, [3, 7]) };

    internal static Generation Gen(long value) => new(value);

    internal static ContentDescription ContentOf(char digit) => new(ContentKind.Disk, DigestOf(digit), 4_096, 1_024,
        DigestOf('f'), 1 << 20, 1, SourceFormat.Raw, 4_096, DigestOf('e'));

    internal static Digest DigestOf(char digit) => new("sha256:" + new string(digit, 64));

    internal static Receipt ReceiptOf(ContentDescription content, PodName pod, long generation = 1) => new(Id, pod, "ds1", "win11/1.0.img",
        content.ContentDigest, DigestOf('d'), content.Length, 1_024, content.Length, Start, "simulated 1", Gen(generation));

    internal static PodSpec SpecOf(PodName pod, int slots = 2, string family = "filesystem") =>
        new(pod, family, new Dictionary<string, string>(), new Dictionary<string, string>(), slots);

    internal static PublishOrder OrderOf(OperationId operation, params PodName[] targets) =>
        new(operation, Id, Gen(2), Content, Source, targets, By);
}
