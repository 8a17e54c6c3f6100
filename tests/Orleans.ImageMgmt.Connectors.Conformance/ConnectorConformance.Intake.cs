using System.Security.Cryptography;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Conformance;

public abstract partial class ConnectorConformance
{
    private const int IntakeLimit = 4;

    [Fact]
    public async Task Rule_21_an_upload_appears_only_whole_and_goes_on_after_a_restart()
    {
        if (TakesNoUploads())
        {
            return;
        }

        var disk = OfferedDisk.MakeSmall(1);
        var bytes = disk.Bytes.ToArray();
        var half = bytes.Length / 2;
        var begun = Taken(await Intake.BeginAsync(Parcel("mine.raw", bytes), IntakeLimit, CancellationToken.None));
        Assert.Equal(begun, Taken(await Intake.BeginAsync(begun, IntakeLimit, CancellationToken.None))); // the same again is the same
        Assert.Equal(half, Taken(await Intake.AppendAsync(begun.Id, 0, new MemoryStream(bytes, 0, half), CancellationToken.None)).Offset);
        Assert.DoesNotContain("mine.raw", await SourceNamesAsync());

        await Fixture.ReopenAsync();

        Assert.Equal(half, Taken(await Intake.FindAsync(begun.Id, CancellationToken.None)).Offset);
        using var rest = new MemoryStream(bytes, half, bytes.Length - half);
        Assert.True(Taken(await Intake.AppendAsync(begun.Id, half, rest, CancellationToken.None)).IsComplete);
        Assert.Contains("mine.raw", await SourceNamesAsync());
        Assert.True(Taken(await Intake.AppendAsync(begun.Id, bytes.Length, new MemoryStream(), CancellationToken.None)).IsComplete); // its answer was lost
        Assert.Equal(disk.Content.ContentDigest, Value(await PrepareAsync(new SourceRef("mine.raw"))).Content.ContentDigest);
    }

    [Fact]
    public async Task Rule_21_an_upload_with_wrong_bytes_lengths_places_or_names_is_refused_and_leaves_nothing()
    {
        if (TakesNoUploads())
        {
            return;
        }

        byte[] bytes = [1, 2, 3, 4];
        var wrong = Taken(await Intake.BeginAsync(Parcel("a.raw", [9, 9, 9, 9]), IntakeLimit, CancellationToken.None));
        Refused(await Intake.AppendAsync(wrong.Id, 0, new MemoryStream(bytes), CancellationToken.None), "upload.wrong-digest");
        Refused(await Intake.FindAsync(wrong.Id, CancellationToken.None), "upload.unknown");
        var right = Taken(await Intake.BeginAsync(Parcel("b.raw", bytes), IntakeLimit, CancellationToken.None));
        Refused(await Intake.AppendAsync(right.Id, 2, new MemoryStream(bytes), CancellationToken.None), "upload.wrong-offset");
        Refused(await Intake.AppendAsync(right.Id, 0, new MemoryStream([1, 2, 3, 4, 5]), CancellationToken.None), "upload.too-long");
        foreach (var name in (IEnumerable<string>)[.. HostilePaths, "com1.raw", "disk.", ".hidden"])
        {
            Refused(await Intake.BeginAsync(Parcel(name, bytes), IntakeLimit, CancellationToken.None), "upload.bad-name");
        }

        Refused(await Intake.BeginAsync(Parcel("c.raw", bytes), 1, CancellationToken.None), "upload.too-many");
        Taken(await Intake.DiscardAsync(right.Id, CancellationToken.None));
        Refused(await Intake.DiscardAsync(right.Id, CancellationToken.None), "upload.unknown");
        Assert.Empty(await SourceNamesAsync());
    }

    [Fact]
    public async Task Rule_21_an_upload_that_rests_is_thrown_away_and_one_that_moved_later_or_is_complete_is_not()
    {
        if (TakesNoUploads())
        {
            return;
        }

        byte[] bytes = [1, 2, 3, 4];
        var now = TimeProvider.System.GetUtcNow();
        var old = Taken(await Intake.BeginAsync(Parcel("old.raw", bytes) with { ChangedAt = now - TimeSpan.FromDays(2) }, IntakeLimit, CancellationToken.None));
        var moved = Taken(await Intake.BeginAsync(Parcel("moved.raw", bytes) with { ChangedAt = now - TimeSpan.FromDays(2) }, IntakeLimit, CancellationToken.None));
        Taken(await Intake.AppendAsync(moved.Id, 0, new MemoryStream(bytes, 0, 1), CancellationToken.None));
        var whole = Taken(await Intake.BeginAsync(Parcel("whole.raw", bytes), IntakeLimit, CancellationToken.None));
        Taken(await Intake.AppendAsync(whole.Id, 0, new MemoryStream(bytes), CancellationToken.None));

        await Intake.ExpireAsync(now - TimeSpan.FromDays(1), CancellationToken.None);

        Refused(await Intake.AppendAsync(old.Id, 0, new MemoryStream(bytes), CancellationToken.None), "upload.unknown");
        Assert.Equal(1, Taken(await Intake.FindAsync(moved.Id, CancellationToken.None)).Offset);
        await Intake.ExpireAsync(TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1), CancellationToken.None);
        Refused(await Intake.FindAsync(moved.Id, CancellationToken.None), "upload.unknown");
        Assert.Equal(["whole.raw"], await SourceNamesAsync()); // the record of a complete one may go, its source stays
    }

    private ISourceIntake Intake => (ISourceIntake)Connector;

    /// <summary>A connector says by its type whether it takes uploads; the service refuses them for all others before it asks.</summary>
    private bool TakesNoUploads() => Connector is not ISourceIntake;

    private SourceParcel Parcel(string name, byte[] bytes)
    {
        var now = TimeProvider.System.GetUtcNow();
        return new SourceParcel($"{Connector.Pod}.{Guid.NewGuid():N}", name, bytes.Length, Digest.FromBytes(SHA256.HashData(bytes)), 0, now, now, false);
    }

    private async Task<IReadOnlyList<string>> SourceNamesAsync() =>
        [.. Value(await Connector.ListSourcesAsync(null, Limits.PageRows, CancellationToken.None)).Entries.Select(entry => entry.Path)];

    private static SourceParcel Taken(IntakeResult result)
    {
        Assert.True(result.Refusal is null, result.Refusal?.ToString());
        return result.Parcel!;
    }

    private static void Refused(IntakeResult result, string code)
    {
        Assert.Equal(code, result.Refusal?.Code);
        Assert.False(string.IsNullOrWhiteSpace(result.Refusal!.Message));
        Assert.EndsWith(".", result.Refusal.Hint, StringComparison.Ordinal);
    }
}
