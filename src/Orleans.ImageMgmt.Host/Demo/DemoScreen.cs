using System.Globalization;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Domain;
using Spectre.Console;
using Version = Orleans.ImageMgmt.Domain.Version;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>Live bars on a terminal, plain lines elsewhere. Also tells the faults that the flaky pod's plan injects.</summary>
internal sealed class DemoScreen : IFaultLog
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(1);
    private readonly Lock gate = new();

    private static bool IsPlain => Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Interactive;

    public void Say(string line)
    {
        lock (gate)
        {
            if (IsPlain)
            {
                Console.Out.WriteLine(line); // never folded: other programs may read it
            }
            else
            {
                AnsiConsole.WriteLine(line);
            }
        }
    }

    public void Error(string line) => Console.Error.WriteLine($"imgmt: {line}");

    public void Injected(InjectedFault fault) => Say($"  ! fault on purpose at pod {fault.Pod}: {fault.Sentence}");

    public async Task ShowImportAsync(VersionId id, IAsyncEnumerable<ImportView> watch)
    {
        await ShowAsync(async bars =>
        {
            await foreach (var (version, copy) in watch)
            {
                var progress = copy?.Progress;
                bars.Set($"import {id}", Words.Shown(version.Status), progress?.BytesVerified ?? (version.Content is null ? 0 : 1), progress?.BytesToVerify ?? 1);
            }
        });
    }

    public async Task<PublishView> ShowPublishAsync(VersionId id, IAsyncEnumerable<PublishView> watch)
    {
        PublishView? last = null;
        await ShowAsync(async bars =>
        {
            await foreach (var view in watch)
            {
                foreach (var target in view.Targets)
                {
                    var (done, total) = Done(target);
                    bars.Set(target.Pod.Value, StateOf(target), done, total);
                }

                last = view;
            }
        });
        return last ?? throw new InvalidOperationException($"The publish of {id} was never seen.");
    }

    /// <summary>Sending and reading back are each half of a copy's way.</summary>
    private static (double Done, double Total) Done(TargetView target)
    {
        if (target.State == CopyState.Available)
        {
            return (1, 1);
        }

        if (target.Progress is not { } progress)
        {
            return (0, 1);
        }

        var chunks = progress.ChunksNeeded + progress.ChunksStagedBefore;
        var before = chunks == 0 ? 0 : (double)progress.ChunksStagedBefore / chunks;
        var sent = progress.BytesNeeded == 0 ? (chunks == 0 ? 0 : 1) : (double)progress.BytesSent / progress.BytesNeeded;
        var received = progress.Phase == CopyState.Finalising ? 1 : before + ((1 - before) * sent);
        var read = progress is { Phase: CopyState.Finalising, BytesToVerify: > 0 } ? (double)progress.BytesVerified / progress.BytesToVerify : 0;
        return ((received / 2) + (read / 2), 1);
    }

    private static string StateOf(TargetView target) => target.State == CopyState.RetryPending
        ? $"Retry Pending ({target.Fault?.Code})"
        : Words.Shown(target.State);

    private async Task ShowAsync(Func<IBars, Task> run)
    {
        if (IsPlain)
        {
            await run(new LineBars(this));
            return;
        }

        await AnsiConsole.Progress().AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(context => run(new LiveBars(context)));
    }

    private interface IBars
    {
        void Set(string name, string state, double done, double total);
    }

    private sealed class LiveBars(ProgressContext context) : IBars
    {
        private readonly Dictionary<string, ProgressTask> tasks = [];

        public void Set(string name, string state, double done, double total)
        {
            if (!tasks.TryGetValue(name, out var task))
            {
                tasks[name] = task = context.AddTask(name, maxValue: 1000);
            }

            task.Description = $"{Markup.Escape(name),-16} {Markup.Escape(state),-24}";
            task.Value = total <= 0 ? 0 : 1000 * done / total;
        }
    }

    private sealed class LineBars(DemoScreen screen) : IBars
    {
        private readonly Dictionary<string, (string State, double Share, long At)> shown = [];

        public void Set(string name, string state, double done, double total)
        {
            var share = total <= 0 ? 0 : done / total;
            var now = TimeProvider.System.GetTimestamp();
            if (shown.TryGetValue(name, out var before) && before.State == state
                && (share - before.Share < 0.01 || TimeProvider.System.GetElapsedTime(before.At, now) < LineInterval))
            {
                return;
            }

            shown[name] = (state, share, now);
            screen.Say(string.Create(CultureInfo.InvariantCulture, $"  {name,-16} {state,-24} {new string('#', (int)(share * 30)),-30} {share,4:P0}"));
        }
    }
}
