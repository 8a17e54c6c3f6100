using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.ImageMgmt.Host.Demo;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt demo</c>: the main job from nothing to the end, on real bytes.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var folder = new Option<string>("--folder")
        {
            Description = "Where the demo puts its pods and data; only a folder that it made itself is emptied.",
            DefaultValueFactory = _ => Path.Combine(Path.GetTempPath(), "imgmt-demo"),
        };
        var disk = new Option<string?>("--disk") { Description = "Your own disk file (raw, qcow2, VMDK, VHDX, ISO or OVA) instead of the built golden disk." };
        var keep = new Option<bool>("--keep") { Description = "Leave the pods and their copies behind." };
        var command = new Command("demo", "Import, publish and verify a golden image on five pods, then a second version.") { folder, disk, keep };
        command.SetAction((parsed, stop) => RunAsync(parsed.GetValue(folder)!, parsed.GetValue(disk), parsed.GetValue(keep), stop));
        return command;
    }

    private static async Task<int> RunAsync(string folder, string? disk, bool keep, CancellationToken stop)
    {
        var screen = new DemoScreen();
        DemoFolder? place = null;
        try
        {
            place = DemoFolder.Make(folder);
            var sources = await PrepareSourcesAsync(place, disk, screen, stop);
            place.CheckRoom(sources.Sum(s => new FileInfo(s.Path).Length));
            var settings = new HostSettings(place.Data)
            {
                Log = new() { Level = LogLevel.Error, OrleansLevel = LogLevel.Error }, // what goes wrong on purpose is told by the screen, with its reason
                FaultLog = screen,
                Options = new() { Retry = RetryPolicy.Default with { FirstDelay = TimeSpan.FromSeconds(1) } },
            };
            await using var host = await ServiceHost.StartAsync(settings, stop);
            var story = new DemoStory(host.Services.GetRequiredService<ImageMgmtClient>(), place, screen);
            return await story.RunAsync(sources, stop) ? 0 : 1;
        }
        catch (Exception problem) when (problem is GoldenDiskException or StoreException or SettingsException or TrustException or RefusedException or IOException or UnauthorizedAccessException)
        {
            screen.Error(problem.Message);
            return 2;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            screen.Error("Stopped.");
            return 130;
        }
        finally
        {
            if (!keep)
            {
                place?.Remove();
            }
        }
    }

    private static async Task<IReadOnlyList<DemoSource>> PrepareSourcesAsync(DemoFolder place, string? disk, DemoScreen screen, CancellationToken stop)
    {
        if (disk is not null)
        {
            // A real copy into the source pod's folder, as an administrator would do it.
            place.CheckRoom(new FileInfo(disk).Length);
            var own = Path.Combine(place.Sources, Path.GetFileName(disk));
            File.Copy(disk, own, overwrite: true);
            return [new DemoSource("1.0", own)];
        }

        var watch = Stopwatch.StartNew();
        screen.Say("Building two golden disks from files of this machine ...");
        var first = await GoldenDisk.BuildAsync(place.Sources, "Win10POS-1.0.raw", GoldenDisk.FirstVersion, GoldenDiskSize.Demo, screen.Say, stop);
        var next = await GoldenDisk.BuildAsync(place.Sources, "Win10POS-1.1.raw", GoldenDisk.NextVersion, GoldenDiskSize.Demo, screen.Say, stop);
        screen.Say($"Built in {watch.Elapsed.TotalSeconds:0.0} s.");
        return [new DemoSource("1.0", first), new DemoSource("1.1", next)];
    }
}

/// <summary>A disk file that the demo imports.</summary>
internal sealed record DemoSource(string Version, string Path);
