using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using static Orleans.ImageMgmt.Connectors.Tests.Calls;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>Goal: a scrub that is cut goes on where it was, and only as long as the copy is the one that it saw. Method: a disk of four stretches with a little
/// data in each; the observer counts what is read and cuts.</summary>
public sealed class ScrubTests : IAsyncDisposable
{
    private const int MiB = 1 << 20;
    private const int DataOfStretch = 2 * MiB;
    private const int Stretches = 4;
    private readonly FilesystemFixture pod = new();

    public ValueTask DisposeAsync() => pod.DisposeAsync();

    [Fact]
    public async Task A_scrub_that_was_cut_goes_on_behind_the_last_stretch_that_was_right_also_in_another_process()
    {
        var before = await PrepareAsync();
        var cut = new Reading(stopAfter: DataOfStretch + 1);
        Fault(await pod.Connector.ScrubAsync(Pos, cut, cut.Stop.Token), FaultCause.Cancelled);
        Assert.True(File.Exists(Mark));
        await pod.ReopenAsync();

        var rest = new Reading();
        var receipt = Value(await pod.Connector.ScrubAsync(Pos, rest, CancellationToken.None));

        Assert.Equal((Stretches - 1) * DataOfStretch, rest.Bytes);
        Assert.Equal(Stretches * DataOfStretch, receipt.BytesReadBack);
        Assert.Equal((Stretches * FilesystemConnector.ScrubStretch, Stretches * FilesystemConnector.ScrubStretch), rest.Last);
        Assert.True(receipt.VerifiedAt > before.VerifiedAt);
        Assert.False(File.Exists(Mark));
        var again = new Reading();
        Value(await pod.Connector.ScrubAsync(Pos, again, CancellationToken.None));
        Assert.Equal(Stretches * DataOfStretch, again.Bytes);
    }

    [Fact]
    public async Task Damage_behind_the_mark_is_found_for_a_file_that_was_written_to_is_read_from_the_front()
    {
        await PrepareAsync();
        var cut = new Reading(stopAfter: (2 * DataOfStretch) + 1);
        Fault(await pod.Connector.ScrubAsync(Pos, cut, cut.Stop.Token), FaultCause.Cancelled);
        var path = Path.Combine(pod.FinalFolder(Pos), "disk.raw");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
        {
            RandomAccess.Write(file, "xxxx"u8, 100_000);
        }

        var rest = new Reading();
        var fault = Fault(await pod.Connector.ScrubAsync(Pos, rest, CancellationToken.None), FaultCause.TargetCorrupt);

        Assert.Equal([0], fault.Damage!.Chunks);
        Assert.Equal(Stretches * DataOfStretch, rest.Bytes);
        Assert.False(File.Exists(Mark));
    }

    [Fact]
    public async Task Who_asks_for_a_read_back_gets_all_of_it_whatever_a_scrub_has_seen()
    {
        await PrepareAsync();
        var cut = new Reading(stopAfter: (2 * DataOfStretch) + 1);
        Fault(await pod.Connector.ScrubAsync(Pos, cut, cut.Stop.Token), FaultCause.Cancelled);
        var all = new Reading();
        Assert.Equal(Stretches * DataOfStretch, Value(await pod.Connector.VerifyAsync(Pos, all, CancellationToken.None)).BytesReadBack);
        Assert.Equal(Stretches * DataOfStretch, all.Bytes);
    }

    private string Mark => Path.Combine(pod.FinalFolder(Pos), "scrub.json");

    private async Task<Receipt> PrepareAsync()
    {
        var random = new Random(9);
        var bytes = new byte[DataOfStretch];
        using (var file = File.OpenHandle(Path.Combine(pod.Sources, "sparse.raw"), FileMode.Create, FileAccess.ReadWrite))
        {
            RandomAccess.SetLength(file, Stretches * FilesystemConnector.ScrubStretch);
            for (var stretch = 0; stretch < Stretches; stretch++)
            {
                random.NextBytes(bytes);
                RandomAccess.Write(file, bytes, stretch * FilesystemConnector.ScrubStretch);
            }
        }

        return Value(await pod.Connector.PrepareAsync(new SourceRef("sparse.raw"))).Receipt;
    }

    /// <summary>Counts bytes as they are about to be read; cuts when there were so many.</summary>
    private sealed class Reading(long stopAfter = long.MaxValue) : IPacedObserver
    {
        private long bytes;

        public CancellationTokenSource Stop { get; } = new();

        public long Bytes => Interlocked.Read(ref bytes);

        public (long, long) Last { get; private set; }

        public ValueTask PaceAsync(int count, CancellationToken cancellationToken)
        {
            if (Interlocked.Add(ref bytes, count) >= stopAfter)
            {
                Stop.Cancel();
                cancellationToken.ThrowIfCancellationRequested();
            }

            return ValueTask.CompletedTask;
        }

        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
        {
        }

        public void ChunkRequested(int chunk)
        {
        }

        public void ChunkStaged(int chunk, int length)
        {
        }

        public void Advanced(long done, long total) => Last = (done, total);
    }
}
