using System.Security.Cryptography;
using System.Text.Json;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Pods in folders, a plan for them, and what has to be true of the files in the end. Removed with everything in it.</summary>
internal sealed class Estate : IDisposable
{
    public const string Image = "win";
    public const string SourcePod = "source";

    private const int Mebibyte = 1 << 20;

    /// <summary>Every such stretch of a disk begins with data and ends with a hole.</summary>
    private const int StretchMebibytes = 16;
    private const int HoleMebibytes = 4;

    private readonly Dictionary<string, Dictionary<string, string>> pods = [];
    private readonly List<(string Version, bool Publish)> imports = [];
    private readonly Dictionary<string, string> digests = [];

    public Estate(params IEnumerable<string> targets)
    {
        Root = Directory.CreateTempSubdirectory("imgmt-e2e-").FullName;
        Directory.CreateDirectory(Path.Combine(Root, "sources"));
        AddPod(SourcePod);
        pods[SourcePod]["sources"] = Path.Combine(Root, "sources");
        foreach (var target in targets)
        {
            AddPod(target);
        }
    }

    public string Root { get; }

    public string DataFolder => Path.Combine(Root, "data");

    public string TracePath => Path.Combine(Root, "trace.txt");

    public TransferLedger Ledger => new(TracePath);

    public IReadOnlyCollection<string> Pods => pods.Keys;

    public int Targets => pods.Count - 1;

    public string FolderOf(string pod) => pods[pod]["datastore.ds"];

    /// <summary>The final file of a version on a pod.</summary>
    public string FileOf(string pod, string version) => Path.Combine(FolderOf(pod), "content-library", Image, version, "disk.raw");

    public void AddPod(string name, string? faultPlan = null, string? folder = null)
    {
        folder ??= Path.Combine(Root, "pods", name);
        Directory.CreateDirectory(folder);
        pods[name] = new() { ["datastore.ds"] = folder };
        if (faultPlan is not null)
        {
            pods[name]["fault-plan"] = faultPlan;
        }
    }

    public void SetReserve(string pod, string reserve) => pods[pod]["reserve"] = reserve;

    /// <summary>From now on the plan publishes what it only imported before.</summary>
    public void PublishAll()
    {
        for (var i = 0; i < imports.Count; i++)
        {
            imports[i] = imports[i] with { Publish = true };
        }
    }

    /// <summary>Takes the folder of the source pod to another machine, where a block server serves it; the service sees an empty one from now on.</summary>
    /// <returns>The plan for that block server: this pod alone.</returns>
    public string MoveSourceAway()
    {
        var elsewhere = Path.Combine(Root, "elsewhere");
        Directory.Move(FolderOf(SourcePod), elsewhere);
        Directory.CreateDirectory(FolderOf(SourcePod));
        var plan = Path.Combine(Root, "elsewhere.json");
        File.WriteAllText(plan, JsonSerializer.Serialize(new { pods = new[] { new { name = SourcePod, settings = new Dictionary<string, string> { ["datastore.ds"] = elsewhere } } } }));
        return plan;
    }

    public void SetBlockServer(Uri server) => pods[SourcePod]["blocks-url"] = server.ToString();

    /// <summary>Makes a sparse disk of random bytes and plans its import, and its publish to all.</summary>
    /// <returns>Chunks of it that hold data.</returns>
    public int AddVersion(string version, int mebibytes, int seed, bool publish = true)
    {
        var random = new Random(seed);
        var buffer = new byte[Mebibyte];
        var path = Path.Combine(Root, "sources", $"{version}.raw");
        var chunks = 0;
        using (var file = new FileStream(path, FileMode.Create, FileAccess.ReadWrite))
        {
            file.SetLength((long)mebibytes * Mebibyte);
            for (var at = 0; at < mebibytes; at++)
            {
                if (at % StretchMebibytes < StretchMebibytes - HoleMebibytes)
                {
                    random.NextBytes(buffer);
                    file.Position = (long)at * Mebibyte;
                    file.Write(buffer);
                    chunks++;
                }
            }
        }

        digests[version] = DigestOf(path);
        imports.Add((version, publish));
        return chunks;
    }

    public ImgmtProcess Serve(params IEnumerable<string> settings) => Serve(exitWhenDone: true, settings);

    public ImgmtProcess ServeOn(params IEnumerable<string> settings) => Serve(exitWhenDone: false, settings);

    /// <summary>Whatever lies under a final name is whole: called at any moment at which no server runs.</summary>
    public void AssertNoHalfCopyIsInSight()
    {
        foreach (var pod in pods.Keys)
        {
            foreach (var version in digests.Keys)
            {
                var file = FileOf(pod, version);
                if (Directory.Exists(Path.GetDirectoryName(file)))
                {
                    Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(file)!, "receipt.json")), $"Pod {pod} shows {version} without a receipt.");
                    Assert.True(digests[version] == DigestOf(file), $"Pod {pod} shows a {version} that is not whole.");
                }
            }
        }
    }

    /// <summary>The files of these pods have the digest of the source, and nothing but finished copies lies about.</summary>
    public void AssertHolds(string version, params IEnumerable<string> expected)
    {
        foreach (var pod in expected)
        {
            Assert.True(File.Exists(FileOf(pod, version)), $"Pod {pod} has no copy of {version}.");
            Assert.True(digests[version] == DigestOf(FileOf(pod, version)), $"Pod {pod} has other bytes for {version}.");
            var allocated = AllocatedBytes(FileOf(pod, version));
            Assert.True(allocated < new FileInfo(FileOf(pod, version)).Length, $"The copy of {version} on pod {pod} is not sparse: {allocated} bytes.");
        }
    }

    /// <summary>Every file of every pod and of the service is one that belongs there.</summary>
    public void AssertNothingIsLeftBehind(params IEnumerable<string> ofPods)
    {
        string[] ofCopies = ["disk.raw", "manifest.bin", "receipt.json", "blocks.bin"];
        foreach (var pod in ofPods)
        {
            var library = Path.Combine(FolderOf(pod), "content-library");
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(library, ".staging")));
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(library, ".trash")));
            foreach (var file in Directory.EnumerateFiles(FolderOf(pod), "*", SearchOption.AllDirectories))
            {
                var belongs = ofCopies.Contains(Path.GetFileName(file)) || Path.GetFileName(file) == ".imgmt-datastore"
                    || Path.GetFileName(Path.GetDirectoryName(file)) == ".ledger";
                Assert.True(belongs, $"{file} was left behind.");
            }
        }

        string[] ofService = ["store.db", "store.db-wal", "store.db-shm", "reminders.db", "reminders.db-wal", "reminders.db-shm", "silo.lock", "trust", "administrator.token", "session-keys"];
        Assert.All(Directory.EnumerateFileSystemEntries(DataFolder), file => Assert.Contains(Path.GetFileName(file), ofService));
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private ImgmtProcess Serve(bool exitWhenDone, IEnumerable<string> settings)
    {
        var plan = Path.Combine(Root, "plan.json");
        File.WriteAllText(plan, JsonSerializer.Serialize(new
        {
            pods = pods.Select(pod => new { name = pod.Key, settings = pod.Value }),
            imports = imports.Select(import => new { image = Image, version = import.Version, pod = SourcePod, source = $"{import.Version}.raw", publish = import.Publish }),
        }));
        string[] arguments =
        [
            "serve", "--data", DataFolder, "--plan", plan, "--log", "Warning", "--set", $"ImageMgmt:TransferTrace={TracePath}",
            .. exitWhenDone ? ["--exit-when-done"] : Array.Empty<string>(),
            .. settings.SelectMany(setting => new[] { "--set", setting }),
        ];
        return ImgmtProcess.Start(arguments);
    }

    private static string DigestOf(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 20);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    private static long AllocatedBytes(string path)
    {
        using var file = File.OpenHandle(path);
        return Content.SparseFile.AllocatedBytes(file);
    }
}
