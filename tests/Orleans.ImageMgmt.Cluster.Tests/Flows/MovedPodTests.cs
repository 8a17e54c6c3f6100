using System.Globalization;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Xunit;
using static Orleans.ImageMgmt.Cluster.Tests.Flows.SiloUnderTest;

namespace Orleans.ImageMgmt.Cluster.Tests.Flows;

/// <summary>Goal: a transfer does not care on which silo it goes on. Method: two silos in one process on one store; the pod's grain is moved from one to
/// the other while chunks arrive over a slow link; the trace of both says what was asked and what was staged.</summary>
public sealed class MovedPodTests
{
    private const int Chunks = 24;

    private static readonly PodName Far = new("far");

    [Fact]
    public async Task A_pod_whose_grain_moves_to_another_silo_goes_on_from_what_is_staged()
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-moved-").FullName;
        var trace = Path.Combine(folder, "trace"); // each silo adds its name
        try
        {
            await using var service = await StartAsync(tries: 20, silos: 2, trace: trace);
            var sources = Directory.CreateDirectory(Path.Combine(folder, "sources")).FullName;
            var image = new byte[Chunks << 20];
            new Random(5).NextBytes(image);
            await File.WriteAllBytesAsync(Path.Combine(sources, "disk"), image, Token);
            await service.ConnectAsync(FilesystemPod(folder, Source, new() { ["sources"] = sources }));
            await service.ConnectAsync(FilesystemPod(folder, Far, new() { ["fault-plan"] = "receive:slow=4MiB/s" }));
            await service.ImportFirstAsync();
            await service.Client.PublishAsync(First, Publish());

            await UntilAsync(() => Task.FromResult(Read(trace).Count(e => e.Kind == 'S')), staged => staged >= 4);
            var before = await service.SiloOfAsync(service.Grains.GetPod(Far));
            var other = service.Silos.Single(s => !s.Equals(before));
            await MoveAsync(service.Grains.GetPod(Far), other);
            await UntilAsync(() => service.SiloOfAsync(service.Grains.GetPod(Far)), silo => other.Equals(silo));

            Assert.Equal(OperationState.Succeeded, (await service.UntilEndedAsync("publish-1")).State);
            var ledger = Read(trace);
            var plans = ledger.Where(e => e.Kind == 'P').ToList();
            Assert.Equal(2, plans.Count);
            Assert.True(plans[1].Number >= 4, $"the second silo found {plans[1].Number} chunks staged");
            var staged = new HashSet<int>();
            foreach (var entry in ledger)
            {
                Assert.False(entry.Kind == 'R' && staged.Contains(entry.Number), $"chunk {entry.Number} was asked again after it was staged");
                if (entry.Kind == 'S')
                {
                    staged.Add(entry.Number);
                }
            }

            Assert.InRange(ledger.Count(e => e.Kind == 'R'), Chunks, Chunks + new Content.ReceiveOptions().Window);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    internal static PodSpec FilesystemPod(string folder, PodName name, Dictionary<string, string> settings)
    {
        settings["datastore.main"] = Directory.CreateDirectory(Path.Combine(folder, name.Value)).FullName;
        return new PodSpec(name, "filesystem", settings, new Dictionary<string, string>(), 2);
    }

    /// <summary>Lines of both silos that speak of the far pod, those of the first silo before those of the second; a plan's number is what it found staged.</summary>
    private static List<Entry> Read(string trace) =>
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(trace)!, "trace-*").Select(ReadOne).Where(lines => lines.Count > 0).OrderBy(lines => lines[0].Number).SelectMany(lines => lines)];

    private static List<Entry> ReadOne(string path)
    {
        using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return
        [
            .. file.ReadToEnd().Split('\n')[..^1].Select(line => line.Split(' ')).Where(words => words[1] == Far.Value)
                .Select(words => new Entry(words[0][0], int.Parse(words[^1].Replace("staged=", "", StringComparison.Ordinal), CultureInfo.InvariantCulture))),
        ];
    }

    private sealed record Entry(char Kind, int Number);
}
