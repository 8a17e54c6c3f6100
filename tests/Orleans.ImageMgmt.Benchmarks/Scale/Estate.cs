using System.Globalization;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Benchmarks.Scale;

/// <summary>A made-up catalog as the grains would have stored it: the same records under the same keys, with the rows that these records show.</summary>
internal sealed record Estate(int Images, int VersionsOfImage, int Pods, int CopiesOfImage)
{
    private const int RowsAtOnce = 128;
    private const int WritesAtOnce = 16;
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly RequestedBy By = new("ada", "cli", "the monthly update");
    private static readonly Digest SomeDigest = new("sha256:" + new string('a', 64));
    private static readonly ContentDescription Content = new(ContentKind.Disk, SomeDigest, 4L << 30, 2L << 30, SomeDigest, 1 << 20, 2_048, SourceFormat.Raw, 4L << 30, SomeDigest);

    public int AllVersions => Images * VersionsOfImage;

    public int AllCopies => Images * CopiesOfImage;

    public static PodName NameOf(string what, int number) => new(string.Create(CultureInfo.InvariantCulture, $"{what}-{number:D5}"));

    public DateTimeOffset TimeOf(int number) => Start.AddSeconds(number * 30);

    public async Task FillAsync(IDurableStore store)
    {
        var pending = new List<Task>();
        foreach (var rows in Rows().Chunk(RowsAtOnce))
        {
            pending.Add(store.WriteAsync(rows, CancellationToken.None));
            if (pending.Count == WritesAtOnce)
            {
                await Task.WhenAll(pending);
                pending.Clear();
            }
        }

        await Task.WhenAll(pending);
    }

    private IEnumerable<RowWrite> Rows() => Enumerable.Range(0, Pods).Select(PodRow)
        .Concat(Enumerable.Range(0, Images).Select(ImageRow))
        .Concat(Enumerable.Range(0, AllVersions).Select(VersionRow))
        .Concat(Enumerable.Range(0, Images).Select(PublishRow))
        .Concat(Enumerable.Range(0, AllCopies).Select(CopyRow));

    private RowWrite PodRow(int n)
    {
        var name = NameOf("pod", n);
        var labels = new Dictionary<string, string> { ["site"] = $"site-{n % 250}", ["region"] = $"region-{n % 5}", ["tier"] = n % 10 == 0 ? "gold" : "plain" };
        return RowWrite.Put(GrainId.Create("pod", name.Value), "pod", null, new StoredPod
        {
            Pod = PodMachine.Initial(name) with
            {
                State = n % 50 == 0 ? PodState.Unreachable : PodState.Connected, ChangedAt = TimeOf(n),
                Spec = new PodSpec(name, "filesystem", new Dictionary<string, string> { ["datastore.main"] = $"/srv/{name}" }, labels, 4),
            },
        });
    }

    private RowWrite ImageRow(int n)
    {
        var name = ImageOf(n);
        return RowWrite.Put(GrainId.Create("image", name.Value), "image", null, new StoredImage
        {
            Image = ImageMachine.Initial(name) with
            {
                Exists = true, Family = "filesystem", SourcePod = NameOf("pod", n % Pods), CreatedAt = TimeOf(n * VersionsOfImage), ChangedAt = TimeOf(n * VersionsOfImage),
                Versions = [.. Enumerable.Range(0, VersionsOfImage).Select(v => new VersionEntry(VersionOf(v), VersionStatus.Available, true, ImportOf((n * VersionsOfImage) + v), null, new SourceRef("golden.raw"), "", By, true, NameOf("pod", n % Pods)))],
            },
        });
    }

    private RowWrite VersionRow(int n)
    {
        var id = IdOf(n / VersionsOfImage, n % VersionsOfImage);
        var version = VersionMachine.Initial(id) with
        {
            Exists = true, Family = "filesystem", SourcePod = NameOf("pod", n / VersionsOfImage % Pods), Source = new SourceRef("golden.raw"), Generation = new Generation(2), Import = ImportOf(n),
            ImportState = n % 97 == 0 ? OperationState.Failed : OperationState.Succeeded, Content = n % 97 == 0 ? null : Content, CreatedAt = TimeOf(n), ChangedAt = TimeOf(n), Description = "the monthly update",
            Targets = n % VersionsOfImage != VersionsOfImage - 1 ? new Dictionary<PodName, TargetOutcome>()
                : Enumerable.Range(0, CopiesOfImage).ToDictionary(c => TargetOf(n / VersionsOfImage, c), _ => TargetOutcome.Available),
        };
        return RowWrite.Put(GrainId.Create("version", id.Value), "version", null, new StoredVersion { Version = version },
            Grains.Activity.Line(TimeOf(n), By, "import.accepted", $"Import {id}", id, operation: version.Import));
    }

    private RowWrite PublishRow(int n)
    {
        var id = IdOf(n, VersionsOfImage - 1);
        var operation = new OperationId($"publish-{n}");
        var isOpen = n % 100 == 0;
        return RowWrite.Put(GrainId.Create("publish", operation.Value), "publish", null, new StoredPublish
        {
            Publish = PublishMachine.Initial(operation) with
            {
                Order = new PublishOrder(operation, id, new Generation(2), Content, NameOf("pod", n % Pods), [.. Enumerable.Range(0, CopiesOfImage).Select(c => TargetOf(n, c))], By),
                State = isOpen ? OperationState.Running : OperationState.Succeeded, IsTold = !isOpen, Shards = [new TargetTotals(CopiesOfImage, isOpen ? 0 : CopiesOfImage, 0, 0)],
                StartedAt = TimeOf(n * VersionsOfImage), EndedAt = isOpen ? null : TimeOf(n * VersionsOfImage),
            },
        });
    }

    private RowWrite CopyRow(int n)
    {
        var (id, pod) = (IdOf(n / CopiesOfImage, VersionsOfImage - 1), TargetOf(n / CopiesOfImage, n % CopiesOfImage));
        var isFailed = n % 41 == 0;
        var copy = CopyMachine.Initial(id, pod) with
        {
            State = isFailed ? CopyState.Failed : CopyState.Available, Generation = new Generation(2), Revision = 3, Attempt = 1, Tries = 1, Content = Content, From = NameOf("pod", 0), WantedAt = TimeOf(n), ChangedAt = TimeOf(n),
            Fault = isFailed ? new ConnectorFault(FaultStage.Receive, FaultCause.Unreachable, "The sending side failed.", "It is tried again.") : null,
            Receipt = isFailed ? null : new Receipt(id, pod, "main", $"/srv/{pod}/content-library/{id}", SomeDigest, SomeDigest, 4L << 30, 2L << 30, 2L << 30, TimeOf(n), "filesystem/1", new Generation(2)),
        };
        return RowWrite.Put(GrainId.Create("pod", pod.Value), $"copy/{id}", null, new StoredCopy { Copy = copy },
            Grains.Activity.Line(TimeOf(n), Grains.Activity.Service, "copy.state", $"{id} on pod {pod} is {copy.State}", id, pod: pod, operation: new OperationId($"publish-{n / CopiesOfImage}")));
    }

    private PodName TargetOf(int image, int copy) => NameOf("pod", ((image * 37) + (copy * 211) + 1) % Pods);

    private static OperationId ImportOf(int n) => new($"import-{n}");

    private static ImageName ImageOf(int n) => new(NameOf("img", n).Value);

    private static VersionName VersionOf(int n) => new($"1.{n}");

    private static VersionId IdOf(int image, int version) => new(ImageOf(image), VersionOf(version));
}
