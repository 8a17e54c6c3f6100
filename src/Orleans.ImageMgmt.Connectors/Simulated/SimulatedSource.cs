using System.Security.Cryptography;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>A disk that could be imported from a simulated pod: given bytes, or bytes made from a seed.</summary>
internal sealed class SimulatedSource
{
    /// <summary>The longest made-up source: it is held in memory while it is prepared.</summary>
    public const long MaxLength = 1L << 30;

    private readonly byte[]? given;
    private readonly long data;
    private readonly int seed;

    private SimulatedSource(byte[]? given, long length, long data, int seed, string? unusable)
    {
        this.given = given;
        this.data = data;
        this.seed = seed;
        Length = length;
        Unusable = unusable;
    }

    public long Length { get; }

    /// <summary>Why it cannot be imported, or null.</summary>
    public string? Unusable { get; }

    public static SimulatedSource Of(ReadOnlySpan<byte> bytes) => new(bytes.ToArray(), bytes.Length, bytes.Length, 0, null);

    public static SimulatedSource Broken(string why) => new([], 0, 0, 0, why);

    /// <summary>Reads <c>length=64MiB,data=24MiB,seed=7</c> or <c>unusable=REASON</c>.</summary>
    public static bool TryParse(string text, out SimulatedSource source, out string error)
    {
        long length = 0;
        long? data = null;
        var seed = 1;
        string? unusable = null;
        error = "";
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var pair = part.Split('=', 2);
            var value = pair.Length == 2 ? pair[1] : "";
            long bytes = 0;
            var read = pair[0] switch
            {
                "length" => Quantity.TryBytes(value, out length) && length is > 0 and <= MaxLength,
                "data" => Quantity.TryBytes(value, out bytes),
                "seed" => Quantity.TryCount(value, out seed),
                "unusable" => (unusable = value).Length > 0,
                _ => false,
            };
            data = pair[0] == "data" ? bytes : data;
            error = read ? error : $"'{part}' cannot be read; length=SIZE (up to {MaxLength} bytes), data=SIZE, seed=NUMBER or unusable=REASON is expected";
        }

        error = error.Length == 0 && length == 0 && unusable is null ? "a length is missing" : error;
        source = new SimulatedSource(null, length, Math.Min(data ?? length, length), seed, unusable);
        return error.Length == 0;
    }

    /// <summary>All bytes. Made-up ones lie in 1 MiB stretches spread evenly over the disk, zeros between them.</summary>
    public byte[] Read()
    {
        if (given is not null)
        {
            return given;
        }

        var bytes = new byte[Length];
        var random = new Random(seed);
        const int Stretch = ContentManifest.MinChunkSize;
        var stretches = Math.Max(1, (Length + Stretch - 1) / Stretch);
        var wanted = (data + Stretch - 1) / Stretch;
        for (long i = 0; i < wanted; i++)
        {
            var at = i * stretches / wanted * Stretch;
            random.NextBytes(bytes.AsSpan((int)at, (int)Math.Min(Stretch, Length - at)));
        }

        return bytes;
    }

    /// <summary>The manifest and description of a raw disk with these bytes.</summary>
    public static (ContentManifest Manifest, ContentDescription Content) Describe(byte[] bytes, CancellationToken cancellationToken)
    {
        var chunkSize = ContentManifest.ChunkSizeFor(bytes.Length);
        var chunks = (bytes.Length + chunkSize - 1) / chunkSize;
        var digests = new byte[chunks * Digest.ByteLength];
        for (var chunk = 0; chunk < chunks; chunk++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var span = bytes.AsSpan(chunk * chunkSize, Math.Min(chunkSize, bytes.Length - (chunk * chunkSize)));
            if (span.ContainsAnyExcept((byte)0))
            {
                SHA256.HashData(span, digests.AsSpan(chunk * Digest.ByteLength));
            }
        }

        var whole = Digest.FromBytes(SHA256.HashData(bytes));
        var manifest = new ContentManifest(bytes.Length, chunkSize, whole, digests);
        return (manifest, new ContentDescription(
            ContentKind.Disk, whole, bytes.Length, manifest.DataLength, manifest.ComputeDigest(), chunkSize, manifest.DataChunks, SourceFormat.Raw, bytes.Length, whole));
    }
}
