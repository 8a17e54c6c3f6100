using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// Lets a path from a user through only to a regular file inside the allowed folders (rule 16).
/// </summary>
/// <remarks>
/// The name is opened once, for its name only; where it really leads and what it is are asked of that handle, and the bytes are then opened
/// through the same handle. So nothing can be swapped between looking and reading, and a device or a pipe is never opened at all.
/// A hard link inside an allowed folder is a file of that folder: who may make one there is the operator's decision.
/// </remarks>
internal sealed class SourceGate(PodName pod, FilesystemSettings settings)
{
    private const int MaxPath = 4096;
    private const int MaxPart = 255;
    private const int NoSuchFile = 2;
    private const int NotAFolder = 20;

    /// <summary>Folders below the sources folder that a listing goes into.</summary>
    private const int MaxDepth = 4;

    /// <summary>Files that a listing looks at: a sources folder is no archive.</summary>
    private const int MaxListed = 10_000;

    public ConnectorResult<SafeFileHandle> Open(SourceRef source)
    {
        if (Refuse(source.Path) is { } refused)
        {
            return refused;
        }

        var path = source.Path.StartsWith('/') ? source.Path : Path.Combine(settings.Sources!, source.Path);
        try
        {
            using var facts = FileFacts.Open(path);
            if (!IsInside(facts.RealPath))
            {
                return Denied(source.Path, "leads out of the folders that this pod's configuration allows");
            }

            return facts.IsRegular
                ? facts.OpenForReading()
                : new ConnectorFault(FaultStage.Prepare, FaultCause.SourceUnusable, $"'{source.Path}' is {(facts.IsFolder ? "a folder" : "a device, pipe or socket")}, not a disk file.", "Name a regular file.");
        }
        catch (IOException trouble) when (trouble.HResult is NoSuchFile or NotAFolder)
        {
            return new ConnectorFault(FaultStage.Prepare, FaultCause.SourceMissing, $"Pod {pod} has no source '{source.Path}'.", "List the pod's sources and name one of them.");
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            return IoTroubles.Classify(trouble) == IoTrouble.Device
                ? new ConnectorFault(FaultStage.Prepare, FaultCause.InputOutput, $"'{source.Path}' cannot be opened: {trouble.Message}", "Check the disk or share that holds the sources.")
                : Denied(source.Path, $"cannot be opened: {trouble.Message}");
        }
    }

    public ConnectorResult<SourcePage> List(string? cursor, int limit, CancellationToken cancellationToken)
    {
        if (settings.Sources is not { } folder)
        {
            return ConnectorFaults.Unsupported(FaultStage.ListSources, FilesystemConnector.Name, $"on pod {pod} has no folder 'sources'");
        }

        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true, MaxRecursionDepth = MaxDepth, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint | FileAttributes.Hidden,
        };
        var names = new List<string>();
        foreach (var path in Directory.EnumerateFiles(folder, "*", options))
        {
            cancellationToken.ThrowIfCancellationRequested();
            names.Add(Path.GetRelativePath(folder, path));
            if (names.Count > MaxListed)
            {
                return new ConnectorFault(FaultStage.ListSources, FaultCause.Misconfigured, $"'{folder}' holds more than {MaxListed} files.", "Name a folder for golden images alone.");
            }
        }

        names.Sort(StringComparer.Ordinal);
        var rows = names.Where(name => string.CompareOrdinal(name, cursor) > 0).Select(name => Look(folder, name)).OfType<SourceEntry>().Take(Paging.Rows(limit) + 1).ToList();
        var (page, next) = Paging.Cut(rows, limit, entry => entry.Path);
        return new SourcePage(page, next);
    }

    private static SourceEntry? Look(string folder, string name)
    {
        try
        {
            using var facts = FileFacts.Open(Path.Combine(folder, name));
            return facts.IsRegular ? new SourceEntry(name, facts.Length, facts.ModifiedAt) : null;
        }
        catch (IOException)
        {
            // Gone since the folder was read: it is no source any more.
            return null;
        }
    }

    /// <summary>What is wrong with the text alone; nothing is asked of the disk for a path outside, so that nobody learns what lies there.</summary>
    private ConnectorFault? Refuse(string path)
    {
        if (path.Length is 0 or > MaxPath || path.Split('/').Any(part => part.Length > MaxPart))
        {
            return Denied(path.Length > MaxPart ? path[..MaxPart] + "…" : path, $"is no file name: 1 to {MaxPath} characters are, {MaxPart} between two slashes");
        }

        if (path.Any(char.IsControl))
        {
            return Denied(string.Concat(path.Select(c => char.IsControl(c) ? '?' : c)), "holds control characters");
        }

        if (path.Split('/').Any(part => part is "." or ".."))
        {
            return Denied(path, "holds '.' or '..'");
        }

        if (!path.StartsWith('/'))
        {
            return settings.Sources is null ? Denied(path, $"is relative, and pod {pod} has no folder 'sources'") : null;
        }

        return Roots().Any(root => IsBelow(path, root)) ? null : Denied(path, "is outside of the folders that this pod's configuration allows");
    }

    private bool IsInside(string realPath)
    {
        foreach (var root in Roots())
        {
            try
            {
                using var facts = FileFacts.Open(root);
                if (IsBelow(realPath, facts.RealPath))
                {
                    return true;
                }
            }
            catch (IOException)
            {
                // A configured folder that is not there allows nothing.
            }
        }

        return false;
    }

    private IEnumerable<string> Roots() => settings.Sources is null ? settings.AllowedSources : settings.AllowedSources.Prepend(settings.Sources);

    private static bool IsBelow(string path, string folder) =>
        path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + "/", StringComparison.Ordinal);

    private ConnectorFault Denied(string path, string why) => new(
        FaultStage.Prepare, FaultCause.Denied, $"'{path}' {why}.", $"Put the file into the sources folder of pod {pod}, or allow its folder in 'allowed-sources'.");
}
