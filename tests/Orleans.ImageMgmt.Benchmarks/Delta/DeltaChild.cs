using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Benchmarks.Delta;

/// <summary>
/// Ours, in a process of its own so that its memory can be read: a source pod and a target pod with connectors of the product. <c>prepare</c> imports an image;
/// <c>manifest</c> only reads and hashes it; <c>base</c> gives the target (or, with <c>--to</c>, another pod) a version from the local source; <c>deliver</c> brings the next version
/// from the source, as from another machine, receives, reads back and finalises it.
/// </summary>
internal static class DeltaChild
{
    private static readonly ImageName Image = new("golden");

    public static async Task<int> RunAsync(IReadOnlyList<string> words)
    {
        var arguments = new Arguments(words);
        var folder = arguments.Text("--folder")!;
        await using var source = Connect(folder, "source", arguments.Text("--images"));
        await using var target = Connect(folder, arguments.Text("--to") ?? "target", null);
        await WarmUpAsync(folder);
        var version = new VersionId(Image, new VersionName(arguments.Text("--version")!));
        var idle = CopyChild.StatusOf("VmRSS");
        var cpu = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        var wire = words[0] switch
        {
            "manifest" => await DescribeAsync(Path.Combine(arguments.Text("--images")!, arguments.Text("--image")!)),
            "prepare" => await PrepareAsync(source, version, arguments.Text("--image")!),
            "base" => await DeliverAsync(source, target, version, null),
            "deliver" => await DeliverAsync(source, target, version, long.Parse(arguments.Text("--link")!, CultureInfo.InvariantCulture)),
            _ => throw new ArgumentException(words[0]),
        };
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"result {clock.Elapsed.TotalSeconds} {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds} {CopyChild.StatusOf("VmHWM") - idle} {wire.All} {wire.Manifest} {wire.Digests}"));
        return 0;
    }

    private static IPodConnector Connect(string folder, string name, string? sources)
    {
        var settings = new Dictionary<string, string> { ["datastore.main"] = Directory.CreateDirectory(Path.Combine(folder, name)).FullName };
        if (sources is not null)
        {
            settings["sources"] = sources;
        }

        return CopyChild.Value(new FilesystemPods(TimeProvider.System).Create(new PodSpec(new PodName(name), "filesystem", settings, new Dictionary<string, string>(), 1)));
    }

    private static CopyOrder OrderOf(VersionId version) => new(version, new Generation(1), 1);

    private static async Task<(long All, long Manifest, long Digests)> PrepareAsync(IPodConnector source, VersionId version, string image)
    {
        CopyChild.Value(await source.PrepareAsync(OrderOf(version), new SourceRef(image), SilentObserver.Instance, CancellationToken.None));
        return default;
    }

    private static async Task<(long All, long Manifest, long Digests)> DescribeAsync(string path)
    {
        using var file = File.OpenHandle(path);
        using var disk = DiskImages.Open(file, null, SilentObserver.Instance.Advanced, CancellationToken.None);
        await Sealer.DescribeAsync(disk, file, new SealOptions(), SilentObserver.Instance, CancellationToken.None);
        return default;
    }

    /// <returns>Bytes that travelled, as the receipt states them; the manifest counts too.</returns>
    private static async Task<(long All, long Manifest, long Digests)> DeliverAsync(IPodConnector source, IPodConnector target, VersionId version, long? link)
    {
        var prepared = CopyChild.Value(await source.VerifiedAsync(version));
        await using var reader = CopyChild.Value(await source.OpenAsync(version, CancellationToken.None));
        var far = link is { } rate ? new FarReader(reader, (IBlockReader)reader, rate) : reader;
        var offer = CopyChild.Value(ReaderOffer.Create(far, prepared));
        CopyChild.Value(await target.ReceiveAsync(OrderOf(version), offer, SilentObserver.Instance, CancellationToken.None));
        var receipt = CopyChild.Value(await target.FinaliseAsync(OrderOf(version), prepared, SilentObserver.Instance, CancellationToken.None));
        if (receipt.ContentDigest != prepared.ContentDigest)
        {
            throw new InvalidOperationException($"{receipt} proves another content.");
        }

        if (far is FarReader counted && counted.Travelled != receipt.BytesSent)
        {
            throw new InvalidOperationException($"The receipt says {receipt.BytesSent} bytes travelled; {counted.Travelled} did.");
        }

        var manifest = reader.Manifest.Encode().Length;
        return (receipt.BytesSent + manifest, manifest, (far as FarReader)?.Digests ?? 0);
    }

    /// <summary>What a sealed copy is, from its manifest: the benchmark needs no catalog.</summary>
    private static async Task<ConnectorResult<ContentDescription>> VerifiedAsync(this IPodConnector source, VersionId version)
    {
        await using var reader = CopyChild.Value(await source.OpenAsync(version, CancellationToken.None));
        var manifest = reader.Manifest;
        return new ContentDescription(
            ContentKind.Disk, manifest.ContentDigest, manifest.Length, manifest.DataLength, manifest.ComputeDigest(), manifest.ChunkSize, manifest.DataChunks,
            SourceFormat.Raw, manifest.Length, manifest.ContentDigest);
    }

    /// <summary>A silo runs for weeks: what is measured is a warm process.</summary>
    private static async Task WarmUpAsync(string folder)
    {
        var path = Path.Combine(folder, $"warm-up-{Environment.ProcessId}");
        var sources = Directory.CreateDirectory(Path.Combine(path, "images")).FullName;
        var random = new Random(1);
        var bytes = new byte[48 << 20];
        foreach (var name in (string[])["1.0", "1.1"])
        {
            for (var i = 0; i < bytes.Length; i += 4096)
            {
                random.NextBytes(bytes.AsSpan(i, random.Next(2_048)));
            }

            await File.WriteAllBytesAsync(Path.Combine(sources, name), bytes);
        }

        for (var round = 0; round < 4; round++)
        {
            await using var source = Connect(path, $"source-{round}", sources);
            await using var target = Connect(path, $"target-{round}", null);
            foreach (var name in (string[])["1.0", "1.1"])
            {
                var version = new VersionId(Image, new VersionName(name));
                await PrepareAsync(source, version, name);
                await DeliverAsync(source, target, version, round % 2 == 0 ? 1_000_000 : 1_000_000_000);
            }
        }

        Directory.Delete(path, recursive: true);
    }

    /// <summary>A reader as of another machine: no local file, a link of a stated rate that decides how answers are packed, and a count of what travels.</summary>
    private sealed class FarReader(IContentReader inner, IBlockReader blocks, long link) : IContentReader, IBlockReader
    {
        private long travelled;
        private long digests;

        public ContentManifest Manifest => inner.Manifest;

        public SafeFileHandle? LocalFile => null;

        public long? LinkBytesPerSecond => link;

        public int MaxBlocksAt(long block) => blocks.MaxBlocksAt(block);

        public long Travelled => Interlocked.Read(ref travelled);

        /// <summary>Of these, digests of blocks.</summary>
        public long Digests => Interlocked.Read(ref digests);

        public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            await inner.ReadAsync(offset, buffer, cancellationToken);
            Interlocked.Add(ref travelled, buffer.Length);
        }

        public async ValueTask<int> ReadDigestsAsync(DigestRequest request, Memory<byte> answer, CancellationToken cancellationToken)
        {
            var length = await blocks.ReadDigestsAsync(request, answer, cancellationToken);
            Interlocked.Add(ref travelled, length);
            Interlocked.Add(ref digests, length);
            return length;
        }

        public async ValueTask<int> ReadBlocksAsync(BlockRequest request, Memory<byte> frame, CancellationToken cancellationToken)
        {
            var length = await blocks.ReadBlocksAsync(request, frame, cancellationToken);
            Interlocked.Add(ref travelled, length);
            return length;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
