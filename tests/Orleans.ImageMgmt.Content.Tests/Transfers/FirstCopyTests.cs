using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

public class FirstCopyTests
{
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    [InlineData(5, true)]
    [InlineData(6, false)]
    public async Task A_sealed_image_arrives_whole_and_sparse_and_reads_back_right(int seed, bool local)
    {
        using var bench = new Bench();
        var random = new Random(seed);
        var length = random.NextInt64(40L * Bench.MiB) + 1;
        var source = bench.MakeImage("source", random, length, random.Next(1, 12));
        await using var reader = await bench.SealAsync("sealed", source);
        var staging = bench.Open("staging");
        var recorder = new Recorder();

        var received = await CopyReceiver.ReceiveAsync(local ? reader : new RemoteDouble(reader), staging, new ReceiveOptions(), recorder, Bench.Token);
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), recorder, Bench.Token);

        Assert.True(verified.IsRight);
        Assert.Equal(reader.Manifest.DataLength, received.BytesRequested);
        Assert.Equal((reader.Manifest.DataChunks, 0, reader.Manifest.DataLength), recorder.Plan);
        Assert.Equal(Enumerable.Range(0, reader.Manifest.ChunkCount).Where(chunk => !reader.Manifest.IsZero(chunk)), recorder.Staged);
        Assert.Equal(bench.Sha256("source"), bench.Sha256("staging"));
        Assert.Equal(bench.Sha256("source"), reader.Manifest.ContentDigest.Value);
        Assert.Equal(length, recorder.Passed);
        Assert.InRange(SparseFile.AllocatedBytes(staging), 0, SparseFile.AllocatedBytes(source) + (64 << 10));
    }

    [Fact]
    public async Task An_empty_image_and_an_image_of_holes_ask_for_nothing()
    {
        using var bench = new Bench();
        foreach (var length in (long[])[0, (70L << 20) + 5])
        {
            var source = bench.MakeImage($"source{length}", new Random(1), length, 0);
            await using var reader = await bench.SealAsync($"sealed{length}", source);
            var staging = bench.Open($"staging{length}");
            var received = await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), SilentObserver.Instance, Bench.Token);
            var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
            Assert.Equal(new ReceiveResult(0, 0, 0, 0), received with { Proof = null });
            Assert.True(verified.IsRight);
            Assert.Equal(0, verified.BytesRead);
            Assert.Equal(length, RandomAccess.GetLength(staging));
            Assert.Equal(bench.Sha256($"sealed{length}"), reader.Manifest.ContentDigest.Value);
        }
    }

    [Fact]
    public async Task The_whole_content_streams_out_verified_and_a_wrong_chunk_stops_it()
    {
        using var bench = new Bench();
        var source = bench.MakeImage("source", new Random(9), (9L << 20) + 777, 4);
        await using var reader = await bench.SealAsync("sealed", source);
        await using var stream = new ContentStream(new RemoteDouble(reader));
        Assert.Equal(reader.Manifest.ContentDigest, Digest.FromBytes(await SHA256.HashDataAsync(stream, Bench.Token)));

        var bad = Enumerable.Range(0, reader.Manifest.ChunkCount).Last(chunk => !reader.Manifest.IsZero(chunk));
        var offset = reader.Manifest.OffsetOf(bad);
        await using var broken = new ContentStream(new RemoteDouble(reader, (at, bytes) => bytes.Span[^1] ^= (byte)(at == offset ? 1 : 0)));
        var copied = new MemoryStream();
        var refused = await Assert.ThrowsAsync<SourceCorruptException>(() => broken.CopyToAsync(copied, Bench.Token));
        Assert.Equal((bad, offset), (refused.Chunk, refused.Offset));
        Assert.Equal(offset, copied.Length);
    }
}
