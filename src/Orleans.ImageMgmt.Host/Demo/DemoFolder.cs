using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>The demo's own folder. It is emptied only when the demo made it.</summary>
internal sealed class DemoFolder
{
    private const string Marker = ".imgmt-demo";

    private DemoFolder(string root) => Root = root;

    public string Root { get; }

    public string Data => Path.Combine(Root, "data");

    public string Sources => Path.Combine(Root, "on-prem-pod-4", "sources");

    /// <exception cref="SettingsException">The folder holds something that the demo did not make.</exception>
    public static DemoFolder Make(string path)
    {
        var root = Path.GetFullPath(path);
        if (Directory.Exists(root) && Directory.EnumerateFileSystemEntries(root).Any())
        {
            if (!File.Exists(Path.Combine(root, Marker)))
            {
                throw new SettingsException($"The folder {root} is not empty and was not made by the demo; name another with --folder.");
            }

            Directory.Delete(root, recursive: true);
        }

        Directory.CreateDirectory(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(Path.Combine(root, Marker), "made by imgmt demo\n");
        var folder = new DemoFolder(root);
        Directory.CreateDirectory(folder.Sources);
        return folder;
    }

    /// <exception cref="SettingsException">There is not enough room for the copies.</exception>
    public void CheckRoom(long sourceBytes)
    {
        var needed = (sourceBytes * DemoStory.PodCount) + (512L << 20);
        var free = new DriveInfo(Root).AvailableFreeSpace;
        if (free < needed)
        {
            throw new SettingsException($"The demo needs {needed >> 20} MiB in {Root}; {free >> 20} MiB are free. Name a folder with more room with --folder.");
        }
    }

    public PodSpec Pod(string name, string? faultPlan)
    {
        var datastore = Path.Combine(Root, name, "datastore1");
        Directory.CreateDirectory(datastore);
        var settings = new Dictionary<string, string> { ["datastore.datastore1"] = datastore };
        if (name == DemoStory.SourcePod)
        {
            settings["sources"] = Sources;
        }

        if (faultPlan is not null)
        {
            settings["fault-plan"] = faultPlan;
        }

        return new PodSpec(new PodName(name), "filesystem", settings, new Dictionary<string, string>(), Slots: 2);
    }

    public void Remove()
    {
        if (File.Exists(Path.Combine(Root, Marker)))
        {
            Directory.Delete(Root, recursive: true);
        }
    }
}
