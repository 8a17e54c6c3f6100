using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Transfers;

/// <summary>Goal: a link that breaks every 200 ms costs at most the window each time, and the transfer ends all the same. Method: a link with a rate on
/// a clock of its own, so that nothing waits; what was asked from the source is counted there.</summary>
public class CutTests
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(200);

    /// <summary>Rates in MiB per second: from 60 Mbit/s, where one chunk passes between two cuts, to 4 Gbit/s.</summary>
    public static TheoryData<int> Rates { get; } = [7, 12, 60, 500];

    [Theory]
    [MemberData(nameof(Rates))]
    public async Task A_remote_transfer_cut_every_200_ms_asks_at_most_a_window_more_for_each_cut(int rate)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        var staging = bench.Open("staging");
        var options = new ReceiveOptions();
        var (asked, cuts, done, before) = (0L, 0, false, -1);
        while (!done)
        {
            await using var link = new BreakingLink(reader, rate * (long)Bench.MiB, Every);
            var heard = new Recorder();
            try
            {
                await CopyReceiver.ReceiveAsync(link, staging, options, heard, Bench.Token);
                done = true;
            }
            catch (SourceUnreadableException)
            {
                cuts++;
            }

            asked += link.Asked;
            Assert.True(heard.Plan.Staged > before, $"cut {cuts} began with {heard.Plan.Staged} chunks as the one before did");
            before = heard.Plan.Staged;
        }

        var extra = asked - reader.Manifest.DataLength;
        Assert.True(cuts >= reader.Manifest.DataLength / (rate * (long)Bench.MiB) / Every.TotalSeconds / 2, $"only {cuts} cuts");
        Assert.InRange(extra, 0, cuts * options.Window * (long)Bench.MiB);
        await ProveAsync(bench, reader, staging);
    }

    [Theory]
    [MemberData(nameof(Rates))]
    public async Task A_local_transfer_cut_every_200_ms_copies_at_most_a_buffer_more_for_each_cut(int rate)
    {
        using var bench = new Bench();
        await using var reader = await SealedAsync(bench);
        var staging = bench.Open("staging");
        var (asked, cuts, done, before) = (0L, 0, false, -1);
        while (!done)
        {
            using var stop = new CancellationTokenSource();
            var passed = TimeSpan.Zero;
            var heard = new Recorder
            {
                OnRequested = chunk =>
                {
                    asked += reader.Manifest.LengthOf(chunk);
                    passed += TimeSpan.FromSeconds((double)reader.Manifest.LengthOf(chunk) / (rate * (long)Bench.MiB));
                    if (passed >= Every)
                    {
                        stop.Cancel();
                    }
                },
            };
            try
            {
                await CopyReceiver.ReceiveAsync(reader, staging, new ReceiveOptions(), heard, stop.Token);
                done = true;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                cuts++;
            }

            Assert.True(heard.Plan.Staged > before, $"cut {cuts} began with {heard.Plan.Staged} chunks as the one before did");
            before = heard.Plan.Staged;
        }

        Assert.InRange(asked - reader.Manifest.DataLength, 0, cuts * (long)DiskBuffers.Length);
        await ProveAsync(bench, reader, staging);
    }

    private static async Task<LocalContentReader> SealedAsync(Bench bench)
    {
        var source = bench.Open("source");
        var bytes = new byte[24 * Bench.MiB];
        new Random(9).NextBytes(bytes);
        RandomAccess.Write(source, bytes, 0);
        return await bench.SealAsync("sealed", source);
    }

    private static async Task ProveAsync(Bench bench, LocalContentReader reader, SafeFileHandle staging)
    {
        var verified = await CopyVerifier.VerifyAsync(staging, reader.Manifest, new VerifyOptions(), SilentObserver.Instance, Bench.Token);
        Assert.True(verified.IsRight);
        Assert.Equal(reader.Manifest.ContentDigest, new Digest(bench.Sha256("staging")));
    }
}

/// <summary>A link that passes so many bytes in a second of its own clock and breaks after a while: what is on its way then is lost, and so is all that
/// is asked later.</summary>
internal sealed class BreakingLink(LocalContentReader inner, long bytesPerSecond, TimeSpan breaksAfter) : IContentReader
{
    private readonly Lock gate = new();
    private TimeSpan passed;

    public ContentManifest Manifest => inner.Manifest;

    public SafeFileHandle? LocalFile => null;

    /// <summary>Bytes that were asked, whether they came or not.</summary>
    public long Asked { get; private set; }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            Asked += buffer.Length;
            passed += TimeSpan.FromSeconds((double)buffer.Length / bytesPerSecond);
            if (passed > breaksAfter)
            {
                throw new IOException("The link broke.");
            }
        }

        return inner.ReadAsync(offset, buffer, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
