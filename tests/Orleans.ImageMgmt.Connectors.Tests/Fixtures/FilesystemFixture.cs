using Orleans.ImageMgmt.Connectors.Conformance;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>A filesystem pod in a temporary folder.</summary>
internal sealed class FilesystemFixture : ConformanceFixture
{
    public static readonly PodName Pod = new("fs-1");
    private readonly Func<IPodConnector, IPodConnector> wrap;
    private FilesystemPods pods;
    private IPodConnector connector;
    private long? room;

    public FilesystemFixture(Func<IPodConnector, IPodConnector>? wrap = null, params (string Key, string Value)[] settings)
    {
        Settings = settings.ToDictionary(setting => setting.Key, setting => setting.Value, StringComparer.Ordinal);
        this.wrap = wrap ?? (inner => inner);
        Directory.CreateDirectory(Sources);
        Directory.CreateDirectory(Datastore);
        pods = NewProcess();
        connector = Make();
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("imgmt-fs-").FullName;

    public string Sources => Path.Combine(Root, "sources");

    public string Datastore => Path.Combine(Root, "datastore");

    public string Library => Path.Combine(Datastore, "content-library");

    public Dictionary<string, string> Settings { get; }

    public override IPodConnector Connector => connector;

    public string FinalFolder(VersionId version) => Path.Combine(Library, version.Image.Value, version.Version.Value);

    public string StagedFolder(VersionId version) => Path.Combine(Library, ".staging", $"{version.Image}@{version.Version}");

    public override Task ReopenAsync(long? room = null)
    {
        this.room = room;
        pods = NewProcess();
        connector = Make();
        return Task.CompletedTask;
    }

    /// <summary>A new connector in the same process, as after the pod was connected again.</summary>
    public void Reconnect() => connector = Make();

    public PodSpec Spec() => new(
        Pod,
        "filesystem",
        new Dictionary<string, string>(Settings, StringComparer.Ordinal) { ["datastore.main"] = Datastore, ["sources"] = Sources, ["reserve"] = "0" },
        new Dictionary<string, string>(),
        2);

    public override SourceRef AddSource(string name, byte[] bytes)
    {
        File.WriteAllBytes(Path.Combine(Sources, name), bytes);
        return new SourceRef(name);
    }

    public override SourceRef AddUnusableSource() => AddSource("broken.qcow2", [(byte)'Q', (byte)'F', (byte)'I', 0xFB, .. new byte[4096]]);

    public override void ChangeSource(SourceRef source, byte[] bytes) => AddSource(source.Path, bytes);

    public override void DamageFinal(VersionId version, int chunk) => Damage(Path.Combine(FinalFolder(version), "disk.raw"), chunk);

    public override void DamageStaged(VersionId version, int chunk) => Damage(Path.Combine(StagedFolder(version), "disk.raw"), chunk);

    public override ValueTask DisposeAsync()
    {
        Directory.Delete(Root, recursive: true);
        return ValueTask.CompletedTask;
    }

    private static void Damage(string path, int chunk)
    {
        FilesystemRecords.SetMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = (long)chunk * ContentManifest.MinChunkSize;
        var value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 0xFF));
    }

    private FilesystemPods NewProcess() => new(TimeProvider.System) { RoomOf = folder => ((room ?? Plenty) - Allocated(folder), room ?? Plenty) };

    /// <summary>Disks only: the other files are small, and opening a ledger would meet its lock.</summary>
    private static long Allocated(string folder) => Directory.EnumerateFiles(folder, "disk.raw", SearchOption.AllDirectories).Sum(path =>
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return SparseFile.AllocatedBytes(file);
        }
        catch (IOException)
        {
            return 0;
        }
    });

    private IPodConnector Make() => wrap(Assert.IsType<ConnectorResult<IPodConnector>.Done>(pods.Create(Spec())).Value);

    private const long Plenty = 1L << 40;
}
