using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: imgctl comes to an end, and says what stands, before servers that answer in part and people who change their minds.</summary>
public sealed class OddServerTests : IDisposable
{
    private readonly Shell shell = new();
    private readonly StringWriter output = new();
    private readonly StringWriter error = new();
    private readonly Interrupts interrupts = new();

    public void Dispose()
    {
        interrupts.Dispose();
        shell.Dispose();
    }

    [Fact]
    public async Task Where_the_stream_of_events_is_refused_and_reads_are_answered_watching_goes_on_by_questions()
    {
        var (streams, reads) = (0, 0);
        await using var server = await OddServer.StartAsync(http =>
        {
            var path = http.Request.Path.Value!;
            if (path.EndsWith("/events", StringComparison.Ordinal))
            {
                streams++;
                return HttpClientTests.ProblemAsync(http, 503);
            }

            var isOver = reads > 4;
            var target = isOver ? Pictures.Done("branch-1") : reads > 2 ? Pictures.Moving("branch-1") : Pictures.Waiting("branch-1");
            if (path.EndsWith("/targets", StringComparison.Ordinal))
            {
                return http.Response.WriteAsJsonAsync(new Page<TargetResource> { Items = [target] }, ImageMgmtJson.Options);
            }

            reads++;
            return http.Response.WriteAsJsonAsync(Pictures.Publish(isOver ? OperationState.Succeeded : OperationState.Running, target).Operation, ImageMgmtJson.Options);
        });

        Assert.Equal(ExitCodes.Well, await ImgctlAsync(server, "watch", "publish-1"));
        Assert.Equal(["publish Win10POS 1.0: Running, 1 pod", "branch-1: Pending", "branch-1: Replicating", "branch-1: Available", "Win10POS 1.0: Available on 1 of 1 pods after 1:14"],
            output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Empty(error.ToString());
        Assert.Equal(ImageMgmtHttpClient.ReconnectLimit + 1, streams); // given up once, and not tried again before each question
    }

    [Fact]
    public async Task A_server_that_stays_silent_is_told_with_the_time_that_was_waited()
    {
        await using var server = await OddServer.StartAsync(OddServer.UntilGoneAsync);
        Assert.Equal(ExitCodes.NotReachable, await ImgctlAsync(server, "pod", "list", "--timeout", "1"));
        Assert.Contains($"imgctl: The server at {server.Url.GetLeftPart(UriPartial.Authority)} does not answer: no answer within 1 s.", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("--timeout", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_before_the_server_has_answered_tells_how_to_find_the_operation()
    {
        await using var server = await OddServer.StartAsync(http =>
        {
            interrupts.Press();
            return OddServer.UntilGoneAsync(http);
        });
        Assert.Equal(ExitCodes.Interrupted, await ImgctlAsync(server, "publish", "Win10POS", "1.0", "--operation", "mine", "--wait"));
        Assert.Contains("the operation may have begun", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("imgctl operation show mine", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_answers_a_question_with_no()
    {
        await using var server = await OddServer.StartAsync(http => http.Response.WriteAsync("{}"));
        using var never = new NeverTyped(interrupts);
        Assert.Equal(ExitCodes.Interrupted, await ImgctlAsync(server, never, "operation", "cancel", "op-1"));
        Assert.Contains("Cancel operation op-1?", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, server.Asked);
    }

    private Task<int> ImgctlAsync(OddServer server, params string[] args) => ImgctlAsync(server, null, args);

    private Task<int> ImgctlAsync(OddServer server, TextReader? typed, params string[] args) => Imgctl.RunAsync(
        [.. args, "--url", server.Url.GetLeftPart(UriPartial.Authority)],
        new Screen { Out = output, Error = error, In = typed ?? TextReader.Null, CanAsk = typed is not null, Time = new HurriedTime(TimeSpan.FromSeconds(10)) },
        new Surroundings(shell.Variables.GetValueOrDefault), interrupts);

    /// <summary>Somebody who looks at a question and presses Ctrl-C instead of answering.</summary>
    private sealed class NeverTyped(Interrupts interrupts) : TextReader
    {
        private readonly ManualResetEventSlim over = new();

        public override string? ReadLine()
        {
            interrupts.Press();
            over.Wait();
            return "y";
        }

        protected override void Dispose(bool disposing)
        {
            over.Set();
            base.Dispose(disposing);
        }
    }
}
