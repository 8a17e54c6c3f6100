using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: in a log every line is a change, and thousands of pods do not make thousands of lines.</summary>
public sealed class LineProgressTests
{
    private readonly List<string> said = [];
    private readonly LineProgress progress;

    public LineProgressTests() => progress = new LineProgress(said.Add);

    [Fact]
    public void Each_change_is_one_line_and_no_change_is_none()
    {
        progress.Update(Pictures.Publish(OperationState.Running, Pictures.Waiting("a"), Pictures.Waiting("b")));
        progress.Update(Pictures.Publish(OperationState.Running, Pictures.Moving("a", sent: 10), Pictures.Waiting("b")));
        progress.Update(Pictures.Publish(OperationState.Running, Pictures.Moving("a", sent: 90), Pictures.Waiting("b")));
        progress.Update(Pictures.Publish(OperationState.Running, Pictures.Done("a"), Pictures.Again("b")));
        progress.Update(Pictures.Publish(OperationState.PartiallySucceeded, Pictures.Done("a"), Pictures.Failed("b")));
        Assert.Equal(
            [
                "publish Win10POS 1.0: Running, 2 pods",
                "a: Pending",
                "b: Pending",
                "a: Replicating",
                "a: Available",
                "b: Retry Pending after try 2: receive.no-room: ds1 has 12 MiB left of 40 GiB.",
                "b: Failed: receive.no-room: ds1 has 12 MiB left of 40 GiB.",
            ], said);
    }

    [Fact]
    public void Beyond_twenty_pods_there_are_counts_in_steps_and_a_line_for_each_failed_pod()
    {
        for (var done = 0; done <= 400; done++)
        {
            var isEnded = done == 400;
            progress.Update(Pictures.Publish(isEnded ? OperationState.PartiallySucceeded : OperationState.Running,
                [.. Enumerable.Range(0, 400).Select(i => i >= done ? Pictures.Moving($"pod-{i:000}") : i == 7 ? Pictures.Failed("pod-007") : Pictures.Done($"pod-{i:000}"))]));
        }

        Assert.Equal("publish Win10POS 1.0: Running, 400 pods", said[0]);
        Assert.Equal("0 of 400 pods available, 400 open", said[1]);
        Assert.Equal("pod-007: Failed: receive.no-room: ds1 has 12 MiB left of 40 GiB.", said[2]);
        Assert.Equal("19 of 400 pods available, 1 failed, 380 open", said[3]);
        Assert.Equal("399 of 400 pods available, 1 failed", said[^1]);
        Assert.Equal(23, said.Count);
    }

    [Fact]
    public void The_end_is_one_sentence()
    {
        Assert.Equal("Win10POS 1.0: Available on 2 of 2 pods after 1:14", Pictures.Publish(OperationState.Succeeded, Pictures.Done("a"), Pictures.Done("b")).Summary());
        var partly = Pictures.Publish(OperationState.PartiallySucceeded, Pictures.Done("a"), Pictures.Failed("b"));
        Assert.Equal("Win10POS 1.0: Partially Available on 1 of 2 pods, 1 failed after 1:14", partly.Summary());
        Assert.Equal(["b: receive.no-room: ds1 has 12 MiB left of 40 GiB. Make room."], partly.Failures());
        Assert.Equal(ExitCodes.PartiallySucceeded, partly.ExitCode);
        Assert.Equal("Win10POS 1.0: publish Cancelled after 1:14", Pictures.Publish(OperationState.Cancelled, Pictures.Waiting("a")).Summary());
    }

    [Fact]
    public void A_server_that_goes_and_comes_back_is_told_once_each()
    {
        var picture = Pictures.Publish(OperationState.Running, Pictures.Moving("a"));
        progress.Update(picture);
        progress.Update(picture with { Note = "the server is away" });
        progress.Update(picture with { Note = "the server is away" });
        progress.Update(picture);
        Assert.Equal(["publish Win10POS 1.0: Running, 1 pod", "a: Replicating", "the server is away", "the server answers again"], said);
    }
}
