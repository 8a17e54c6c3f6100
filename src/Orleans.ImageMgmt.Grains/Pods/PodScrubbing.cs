using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Knows which copies of one pod are due for a read-back. What was done when stands in each copy's receipt, so a restart goes on with the copy that
/// was seen whole the longest time ago. The list is read outside the grain's turns.
/// </summary>
internal sealed class PodScrubbing(CatalogReader catalog, Reporter reporter, ImageMgmtOptions options)
{
    /// <summary>A look whose answer has not come after this long is made again.</summary>
    private static readonly TimeSpan AnswerLost = TimeSpan.FromMinutes(5);

    /// <summary>After a start, pods look at different moments within this time at most.</summary>
    private static readonly TimeSpan StartSpread = TimeSpan.FromMinutes(10);

    private readonly Queue<VersionId> due = [];
    private DateTimeOffset? lookAt;

    public VersionId? Take() => due.TryDequeue(out var version) ? version : null;

    public void Found(IReadOnlyList<VersionId> versions, DateTimeOffset lookAgainAt)
    {
        due.Clear();
        foreach (var version in versions)
        {
            due.Enqueue(version);
        }

        lookAt = lookAgainAt;
    }

    /// <summary>Looks when it is time to. Returns when to ask again.</summary>
    public DateTimeOffset Look(IPodGrain pod, PodName name, DateTimeOffset now)
    {
        lookAt ??= now + (SpreadLimit * (StableHash(name) / (double)uint.MaxValue));
        if (lookAt <= now)
        {
            lookAt = now + AnswerLost;
            reporter.Send(name.Value, () => LookAsync(pod, name, now));
        }

        return lookAt.Value;
    }

    private TimeSpan SpreadLimit => options.Scrub.LookAgain < StartSpread ? options.Scrub.LookAgain : StartSpread;

    private async Task LookAsync(IPodGrain pod, PodName name, DateTimeOffset now)
    {
        var found = new List<(VersionId Version, DateTimeOffset Due)>();
        CatalogCursor? after = null;
        do
        {
            var page = await catalog.ListAsync(new CatalogQuery(CatalogKind.Copy)
            {
                Pod = name.Value, Status = nameof(CopyState.Available), After = after, Limit = Limits.PageRows,
            }, CancellationToken.None);
            found.AddRange(page.Rows.Select(r => r.Read<CopyBody>()).Where(c => c.Receipt is not null).Select(c => (c.Version, options.Scrub.DueAt(c.Receipt!))));
            after = page.Next;
        }
        while (after is not null);

        var first = found.Where(c => c.Due <= now).OrderBy(c => c.Due).Take(ScrubPolicy.DueAtOnce).Select(c => c.Version).ToList();
        var next = found.Where(c => c.Due > now).Select(c => c.Due).DefaultIfEmpty(now + options.Scrub.Every).Min();
        var soonest = now + options.Scrub.LookAgain;
        await pod.ScrubDueAsync(first, first.Count == 0 && next > soonest ? next : soonest);
    }

    private static uint StableHash(PodName name)
    {
        var hash = 2_166_136_261u;
        foreach (var c in name.Value)
        {
            hash = unchecked((hash ^ c) * 16_777_619u);
        }

        return hash;
    }
}
