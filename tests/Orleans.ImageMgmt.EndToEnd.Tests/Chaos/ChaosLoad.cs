using System.Globalization;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Callers who import, publish, cancel and delete, each with images of its own; what they do is drawn from the seed.</summary>
internal sealed class ChaosLoad(ChaosEstate estate, ChaosDoors doors, ChaosBook book, int seed)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(150);

    /// <summary>A caller goes on to other things then; the audit waits for the end.</summary>
    private static readonly TimeSpan EndPatience = TimeSpan.FromMinutes(2);

    private int stories;

    public int Stories => Volatile.Read(ref stories);

    /// <summary>Works until the time is over; then each caller brings to an end what it has begun.</summary>
    public Task RunAsync(int callers, CancellationToken over) => Task.WhenAll(Enumerable.Range(0, callers).Select(async caller =>
    {
        var random = new Random(unchecked((seed * 31) + caller));
        for (var story = 1; !over.IsCancellationRequested; story++)
        {
            await StoryAsync(random, string.Create(CultureInfo.InvariantCulture, $"img-{caller}-{story}"));
            Interlocked.Increment(ref stories);
        }
    }));

    private async Task StoryAsync(Random random, string image)
    {
        if (!await ImportAsync(random, image, "1.0", null))
        {
            return;
        }

        await PublishAsync(random, image, "1.0");
        if (random.NextDouble() < 0.35 && await ImportAsync(random, image, "1.1", "1.0"))
        {
            await PublishAsync(random, image, "1.1");
        }

        var end = random.NextDouble();
        if (end < 0.35)
        {
            book.Doom(image, "1.0");
            await BeginAsync(OperationKind.Delete, image, "1.0", [], (client, key, stop) => client.DeleteVersionAsync(image, "1.0", operation: key, cancellationToken: stop));
        }
        else if (end < 0.6)
        {
            book.Doom(image, null);
            await BeginAsync(OperationKind.Delete, image, null, [], (client, key, stop) => client.DeleteImageAsync(image, operation: key, cancellationToken: stop));
        }
    }

    /// <summary>Whether it can be published.</summary>
    private async Task<bool> ImportAsync(Random random, string image, string version, string? from)
    {
        var disk = estate.Disks[random.Next(estate.Disks.Count)];
        var request = new ImportRequest { Pod = estate.Heads[random.Next(estate.Heads.Count)], Source = disk, Version = version, From = from };
        var (cancels, wait) = (random.NextDouble() < 0.12, random.NextDouble() * 0.4);
        book.Source(image, version, disk);
        var import = await BeginAsync(OperationKind.Import, image, version, [request.Pod], (client, key, stop) => client.ImportAsync(image, request, key, stop));
        if (!import.IsAccepted)
        {
            return false;
        }

        if (cancels)
        {
            await CancelAsync(import, TimeSpan.FromSeconds(wait));
        }

        return await EndAsync(import) == OperationState.Succeeded;
    }

    /// <summary>One publish or two that join, to some pods or all; some are cancelled.</summary>
    private async Task PublishAsync(Random random, string image, string version)
    {
        List<Asked> publishes = [];
        var count = random.NextDouble() < 0.25 ? 2 : 1;
        for (var n = 0; n < count; n++)
        {
            var pods = random.NextDouble() < 0.4 ? null : estate.Pods.OrderBy(_ => random.Next()).Take(1 + random.Next(3)).ToArray();
            var (cancels, wait) = (random.NextDouble() < 0.25, random.NextDouble() * 2);
            var publish = await BeginAsync(OperationKind.Publish, image, version, pods ?? [], (client, key, stop) =>
                client.PublishAsync(image, version, new PublishRequest { Pods = pods }, key, cancellationToken: stop));
            if (publish.IsAccepted && cancels)
            {
                await CancelAsync(publish, TimeSpan.FromSeconds(wait));
            }

            publishes.Add(publish);
        }

        foreach (var publish in publishes.Where(p => p.IsAccepted))
        {
            await EndAsync(publish);
        }
    }

    private async Task<Asked> BeginAsync(OperationKind kind, string image, string? version, IReadOnlyList<string> pods, Func<ImageMgmtHttpClient, string, CancellationToken, Task<OperationResource>> begin)
    {
        var asked = book.Add(new Asked(kind, ImageMgmtHttpClient.NewOperationId(), image, version, pods));
        var answer = await doors.AskAsync((client, stop) => begin(client, asked.Operation, stop));
        (asked.IsAccepted, asked.Refused, asked.Unanswered) = (answer.Value is not null, answer.Refused, answer.Unanswered);
        return asked;
    }

    private async Task CancelAsync(Asked asked, TimeSpan wait)
    {
        await Task.Delay(wait, TimeProvider.System);
        asked.Cancel = CancelWord.Asked;
        var answer = await doors.AskAsync((client, stop) => client.CancelOperationAsync(asked.Operation, cancellationToken: stop));
        if (answer.Value is { State: not OperationState.Succeeded and not OperationState.Failed and not OperationState.PartiallySucceeded })
        {
            asked.Cancel = CancelWord.Accepted;
        }
    }

    private async Task<OperationState?> EndAsync(Asked asked)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < EndPatience)
        {
            if ((await doors.AskAsync((client, stop) => client.GetOperationAsync(asked.Operation, stop))).Value is { IsEnded: true } ended)
            {
                return ended.State;
            }

            await Task.Delay(Look, TimeProvider.System);
        }

        return null;
    }
}
