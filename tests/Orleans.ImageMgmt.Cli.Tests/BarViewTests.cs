using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: the live display shows one bar per pod and a total, and counts where bars would not fit.</summary>
public sealed class BarViewTests
{
    private static readonly Picture Five = Pictures.Publish(OperationState.Running,
        Pictures.Moving("branch-1"), Pictures.Done("branch-2"), Pictures.Failed("branch-3"), Pictures.Again("branch-4"), Pictures.Waiting("branch-5"));

    [Fact]
    public void One_bar_per_pod_and_a_total_with_rate_and_remaining_time()
    {
        Assert.Equal(
            """
            publish Win10POS 1.0  Running  publish-1
              branch-1  Replicating   ━━━━━━━━────────────────────────────────  20%   120 MiB/s  0:08
              branch-2  Available     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100%
              branch-3  Failed        ────────────────────────────────────────   0%  receive.no-room
              branch-4  Retry Pending ────────────────────────────────────────   0%  receive.no-room
              branch-5  Pending       ────────────────────────────────────────   0%
              total     2 of 5        ━━━━━━━━━━━━━━━━━━━━────────────────────  50%   300 MiB/s  1:15
            """, Text(BarView.Lines(Five, 120, 40)));
    }

    [Fact]
    public void Every_line_fits_every_width()
    {
        for (var width = 21; width <= 200; width++)
        {
            Assert.All(BarView.Lines(Five, width, 40), line => Assert.True(Plain.Width(Text(line)) < width, $"{width}: {Text(line)}"));
            Assert.Equal(7, BarView.Lines(Five, width, 40).Count);
        }
    }

    [Fact]
    public void Beyond_twenty_pods_bars_fold_into_counts()
    {
        var targets = Enumerable.Range(0, 300).Select(i => i switch
        {
            < 180 => Pictures.Done($"pod-{i}"),
            < 184 => Pictures.Failed($"pod-{i}"),
            < 224 => Pictures.Moving($"pod-{i}"),
            _ => Pictures.Waiting($"pod-{i}"),
        }).ToArray();
        Assert.Equal(
            """
            publish Win10POS 1.0  Running  publish-1
              Available        180
              Pending           76
              Replicating       40
              Failed             4  receive.no-room 4
              total  184 of 300    ━━━━━━━━━━━━━━━━━━━━────────────────────  50%   300 MiB/s  1:15
            """, Text(BarView.Lines(Pictures.Publish(OperationState.Running, targets), 120, 40)));
    }

    [Fact]
    public void Twenty_pods_are_bars_and_twenty_one_are_counts()
    {
        var pods = Enumerable.Range(1, 21).Select(i => Pictures.Moving($"pod-{i}")).ToArray();
        Assert.Equal(22, BarView.Lines(Pictures.Publish(OperationState.Running, pods[..20]), 100, 50).Count);
        Assert.Equal(3, BarView.Lines(Pictures.Publish(OperationState.Running, pods), 100, 50).Count);
    }

    [Fact]
    public void A_low_screen_folds_earlier()
    {
        var pods = Enumerable.Range(1, 12).Select(i => Pictures.Moving($"pod-{i}")).ToArray();
        Assert.Equal(3, BarView.Lines(Pictures.Publish(OperationState.Running, pods), 100, 12).Count);
        Assert.Equal(14, BarView.Lines(Pictures.Publish(OperationState.Running, pods), 100, 24).Count);
    }

    [Fact]
    public void A_server_that_is_away_is_told_below_the_bars()
    {
        Assert.Equal("  the server is away", Text(BarView.Lines(Five with { Note = "the server is away" }, 100, 40)[^1]));
    }

    [Fact]
    public void Receiving_and_reading_back_are_half_of_the_way_each()
    {
        Assert.Equal(0.2, Picture.ShareOf(Pictures.Moving("a")), 3);
        var finalising = Pictures.Moving("a", CopyState.Finalising, 100);
        Assert.Equal(0.5, Picture.ShareOf(finalising), 3);
        Assert.Equal(0.75, Picture.ShareOf(finalising with { Progress = finalising.Progress! with { VerifiedBytes = 50L << 20 } }), 3);
        Assert.Equal(1, Picture.ShareOf(Pictures.Done("a")));
    }

    private static string Text(IReadOnlyList<IReadOnlyList<Piece>> lines) => string.Join('\n', lines.Select(Text));

    private static string Text(IReadOnlyList<Piece> line) => string.Concat(line.Select(piece => piece.Text)).TrimEnd();
}
