using System.Globalization;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>When everything is quiet: is every acknowledged request in its right end state, does every copy match, and does every file belong to one?</summary>
internal sealed class ChaosAudit(ChaosEstate estate, ChaosDoors doors, ChaosBook book)
{
    private static readonly string[] OfCopies = ["disk.raw", "manifest.bin", "receipt.json", "blocks.bin"];

    /// <summary>Pod, image, version: copies that the catalog holds for available.</summary>
    private readonly HashSet<(string Pod, string Image, string Version)> available = [];

    public List<string> Faults { get; } = [];

    public int Copies => available.Count;

    public long Bytes { get; private set; }

    /// <summary>Operations by kind and state.</summary>
    public SortedDictionary<string, int> Ends { get; } = new(StringComparer.Ordinal);

    public async Task RunAsync()
    {
        foreach (var asked in book.All)
        {
            await CheckOperationAsync(asked);
        }

        foreach (var image in book.All.Select(a => a.Image).Distinct())
        {
            await CheckImageAsync(image);
        }

        CheckDisks();
    }

    /// <summary>Operations that have not ended.</summary>
    public async Task<IReadOnlyList<string>> OpenAsync()
    {
        List<string> open = [];
        foreach (var state in (OperationState[])[OperationState.Accepted, OperationState.Running, OperationState.Paused])
        {
            var page = (await doors.AskAsync((client, stop) => client.ListOperationsAsync(new OperationFilter { State = state }, cancellationToken: stop))).Done;
            open.AddRange(page.Items.Select(o => $"{o.Kind} {o.Id} of {o.Image}/{o.Version} is {o.State}"));
        }

        return open;
    }

    /// <summary>Files and folders that belong to no copy and will be removed by themselves: what a cut delete or a stopped receive has left.</summary>
    public IReadOnlyList<string> Remains() =>
        [.. estate.Pods.SelectMany(pod => (string[])[".staging", ".trash"], (pod, name) => Path.Combine(estate.Library(pod), name)).SelectMany(Directory.EnumerateFileSystemEntries)];

    /// <summary>Null when there is no such file.</summary>
    public static string? DigestOf(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 20);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private async Task CheckOperationAsync(Asked asked)
    {
        var answer = await doors.AskAsync((client, stop) => client.GetOperationAsync(asked.Operation, stop));
        if (!asked.IsAccepted)
        {
            Count($"{asked.Kind} refused ({asked.Refused})");
            if (answer.Value is { } done)
            {
                Faults.Add($"{asked} was refused with {asked.Refused}, and is {done.State} all the same");
            }

            return;
        }

        if (answer.Value is not { } operation)
        {
            Faults.Add($"{asked} was accepted and is lost: {answer.Refused}");
            return;
        }

        Count($"{asked.Kind} {operation.State}");
        if (operation.Kind != asked.Kind || operation.Image != asked.Image || !IsRight(asked, operation.State))
        {
            Faults.Add($"{asked} (cancel: {asked.Cancel}) is {operation.State}: {operation.Fault?.Detail}");
        }

        if (asked.Kind == OperationKind.Publish)
        {
            await CheckTargetsAsync(asked, operation);
        }
    }

    private void Count(string end) => Ends[end] = Ends.GetValueOrDefault(end) + 1;

    /// <summary>A publish that had nothing left to cancel when its cancel came through has succeeded: all its targets are available, which is looked at too.</summary>
    private static bool IsRight(Asked asked, OperationState state) => asked.Cancel switch
    {
        CancelWord.None => state == OperationState.Succeeded,
        CancelWord.Accepted => state == OperationState.Cancelled || (asked.Kind == OperationKind.Publish && state == OperationState.Succeeded),
        _ => state is OperationState.Succeeded or OperationState.Cancelled,
    };

    /// <summary>It went to the pods that were named and no others, and each ended as its operation says.</summary>
    private async Task CheckTargetsAsync(Asked asked, OperationResource operation)
    {
        var targets = (await doors.AskAsync((client, stop) => client.ListTargetsAsync(asked.Operation, cancellationToken: stop))).Done.Items;
        var named = asked.Pods.Count > 0 ? asked.Pods : estate.Pods;
        if (targets.Any(t => !named.Contains(t.Pod)) || targets.Count < named.Count - 1 || targets.Select(t => t.Pod).Distinct().Count() != targets.Count)
        {
            Faults.Add($"{asked} names {string.Join(' ', named)} and has the targets {string.Join(' ', targets.Select(t => t.Pod))}");
        }

        foreach (var target in targets.Where(t => operation.State == OperationState.Succeeded && t.Outcome != TargetOutcome.Available))
        {
            Faults.Add($"{asked} has succeeded, and its target {target.Pod} is {target.Outcome}");
        }
    }

    private async Task CheckImageAsync(string image)
    {
        var versions = await doors.AskAsync((client, stop) => client.ListVersionsAsync(image, cancellationToken: stop));
        foreach (var version in versions.Value?.Items ?? [])
        {
            var copies = (await doors.AskAsync((client, stop) => client.ListCopiesAsync(image, version.Version, cancellationToken: stop))).Done.Items;
            CheckVersion(version, copies);
            foreach (var copy in copies)
            {
                CheckCopy(version, copy);
            }
        }

        foreach (var version in book.All.Where(a => a.Image == image && a is { IsAccepted: true, Kind: OperationKind.Import } && versions.Value?.Items.Any(v => v.Version == a.Version) != true))
        {
            Faults.Add($"{version} was accepted, and the image has no such version");
        }
    }

    private void CheckVersion(VersionResource version, IReadOnlyList<CopyResource> copies)
    {
        var id = $"{version.Image}/{version.Version}";
        var ofVersion = book.All.Where(a => a.Image == version.Image && (a.Version is null || a.Version == version.Version) && a.IsAccepted).ToList();
        var isDeleted = ofVersion.Any(a => a.Kind == OperationKind.Delete);
        var isImported = ofVersion.Any(a => a.Kind == OperationKind.Import && a.Cancel == CancelWord.None);
        VersionStatus[] expected = isDeleted ? [VersionStatus.Deleted]
            : !isImported ? [VersionStatus.Failed, VersionStatus.DeploymentComplete, VersionStatus.Available]
            : ofVersion.Any(a => a.Kind == OperationKind.Publish && a.Cancel == CancelWord.None) ? [VersionStatus.Available]
            : [VersionStatus.Available, VersionStatus.DeploymentComplete];
        if (!expected.Contains(version.Status))
        {
            Faults.Add($"{id} is {version.Status}; {string.Join(" or ", expected)} is right after {string.Join(", ", ofVersion.Select(a => $"{a.Kind} (cancel: {a.Cancel})"))}");
        }

        var holders = copies.Where(c => c is { State: CopyState.Available, Role: CopyRole.Target }).Select(c => c.Pod).Order(StringComparer.Ordinal).ToList();
        if (version.Status == VersionStatus.Available && version.Targets.Available != holders.Count)
        {
            Faults.Add($"{id} says that {version.Targets.Available} targets have it; its copies say {string.Join(' ', holders)}");
        }
    }

    private void CheckCopy(VersionResource version, CopyResource copy)
    {
        var id = $"{copy.Image}/{copy.Version} on pod {copy.Pod}";
        if (copy.State is CopyState.Available)
        {
            available.Add((copy.Pod, copy.Image, copy.Version));
            var expected = estate.DigestOf(book.SourceOf(copy.Image, copy.Version)!);
            var path = estate.FileOf(copy.Pod, copy.Image, copy.Version);
            if (DigestOf(path) != expected || copy.Receipt?.ContentDigest != $"sha256:{expected}" || version.Content?.Digest != $"sha256:{expected}")
            {
                Faults.Add($"{id} is available as {copy.Receipt?.ContentDigest}; on disk is {DigestOf(path) ?? "nothing"}, and the source was {expected}");
            }
            else
            {
                Bytes += new FileInfo(path).Length;
            }
        }
        else if (copy.State is not CopyState.Deleted)
        {
            Faults.Add($"{id} is {copy.State} although everything is quiet: {copy.Fault?.Detail}");
        }
    }

    /// <summary>No file without a copy in the catalog, and nothing temporary.</summary>
    private void CheckDisks()
    {
        foreach (var pod in estate.Pods)
        {
            var library = estate.Library(pod);
            foreach (var image in Directory.EnumerateDirectories(library).Where(folder => !Path.GetFileName(folder).StartsWith('.')))
            {
                var versions = Directory.GetFileSystemEntries(image);
                Faults.AddRange(versions.Where(v => !available.Contains((pod, Path.GetFileName(image), Path.GetFileName(v)))).Select(v => $"{v} belongs to no copy"));
                Faults.AddRange(versions.Where(Directory.Exists).SelectMany(Directory.EnumerateFileSystemEntries).Where(f => !OfCopies.Contains(Path.GetFileName(f))).Select(f => $"{f} was left behind"));
                if (versions.Length == 0)
                {
                    Faults.Add($"{image} is empty and was left behind");
                }
            }

            Faults.AddRange(Directory.EnumerateFileSystemEntries(estate.Cluster.Pod(pod)).Concat(Directory.EnumerateFileSystemEntries(library)).Select(f => (Path: f, Name: Path.GetFileName(f)))
                .Where(f => f.Name is not ("content-library" or ".imgmt-datastore" or ".staging" or ".ledger" or ".trash") && (f.Name.StartsWith('.') || File.Exists(f.Path)))
                .Select(f => $"{f.Path} was left behind"));
        }

        Faults.AddRange(Remains().Select(path => string.Create(CultureInfo.InvariantCulture, $"{path} was left behind")));
    }
}
