using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Makes calls at a site, and answers what the site asks meanwhile.</summary>
internal sealed class SiteCaller(SitePlace site, PodName pod, ISiteLink link, TimeProvider time)
{
    /// <summary>How long a site may take to end a call that it was told to stop; then the line is closed, which stops it too.</summary>
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(8);

    /// <summary>Questions of one call that may be open at once: far more than a receive asks.</summary>
    private const int QuestionLimit = 256;

    /// <param name="stage">Where a fault of the line is said to be.</param>
    /// <param name="call">What to do.</param>
    /// <param name="hearing">Hears how it goes, and knows what the site asks.</param>
    /// <param name="cancellationToken">Tells the site to stop.</param>
    public async Task<ConnectorResult<T>> CallAsync<T>(FaultStage stage, SiteMessage.Call call, SiteHearing hearing, CancellationToken cancellationToken)
    {
        try
        {
            using var line = await link.ConnectAsync(site, cancellationToken);
            using var channel = new SiteChannel(line.Socket, time);
            using var talk = new Talk(channel, hearing, link, line.Receiver, time);
            await channel.SendAsync(call, cancellationToken);
            await using var asked = cancellationToken.UnsafeRegister(static state => ((Talk)state!).Stop(StopGrace), talk);
            return Result<T>(stage, await talk.UntilEndedAsync());
        }
        catch (Exception trouble) when (cancellationToken.IsCancellationRequested && trouble is IOException or OperationCanceledException)
        {
            return ConnectorFaults.Cancelled(stage, $"The call to pod {pod}");
        }
        catch (IOException trouble)
        {
            return new ConnectorFault(
                stage, FaultCause.Unreachable, $"Pod {pod} at {site.Server.Authority}: {trouble.Message}", "It is tried again; look whether 'imgmt blocks --receive' runs there and can be reached if it repeats.");
        }
    }

    private static ConnectorResult<T> Result<T>(FaultStage stage, SiteMessage.Ended ended) => ended switch
    {
        { Fault: { } fault } => fault,
        { AskAgainAfterSeconds: >= 0 and < 3_600 and var seconds } => new ConnectorResult<T>.InProgress(TimeSpan.FromSeconds(seconds), ended.Hint ?? "", ended.IsMoving),
        { Value: { } value } => SiteMessage.FromElement<T>(value),
        _ => throw new IOException($"The call for {stage} ended without saying how."),
    };

    private sealed class Talk : IDisposable
    {
        private readonly SiteChannel channel;
        private readonly SiteHearing hearing;
        private readonly ISiteLink link;
        private readonly Digest receiver;
        private readonly CancellationTokenSource ending = new();
        private readonly CancellationToken over;
        private readonly CancellationTokenSource patience;
        private int open;

        public Talk(SiteChannel channel, SiteHearing hearing, ISiteLink link, Digest receiver, TimeProvider time)
        {
            (this.channel, this.hearing, this.link, this.receiver) = (channel, hearing, link, receiver);
            patience = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
            over = ending.Token;
        }

        public void Stop(TimeSpan grace)
        {
            patience.CancelAfter(grace);
            _ = SayAsync(new SiteMessage.Stop());
        }

        public async Task<SiteMessage.Ended> UntilEndedAsync()
        {
            while (true)
            {
                switch (await channel.ReceiveAsync(patience.Token))
                {
                    case SiteMessage.Ended ended:
                        return ended;
                    case SiteMessage.Question question when Interlocked.Increment(ref open) <= QuestionLimit:
                        _ = AnswerAsync(question);
                        break;
                    case SiteMessage.Question:
                        throw new IOException($"The site asks more than {QuestionLimit} questions at once.");
                    case null:
                        throw new IOException("The site closed the line before the call had ended.");
                    case var news:
                        hearing.Hear(news);
                        break;
                }
            }
        }

        public void Dispose()
        {
            ending.Cancel();
            ending.Dispose();
            patience.Dispose();
        }

        private async Task AnswerAsync(SiteMessage.Question question)
        {
            SiteMessage.Answer answer;
            try
            {
                answer = await hearing.AnswerAsync(question, link, receiver, over);
            }
            catch (IOException trouble)
            {
                answer = new SiteMessage.Answer(question.Id) { Trouble = trouble.Message };
            }
            catch (OperationCanceledException) when (over.IsCancellationRequested)
            {
                return; // the call is over
            }
            catch (Exception defect)
            {
                // The site waits for an answer for as long as the line lives: it hears of a defect here too.
                answer = new SiteMessage.Answer(question.Id) { Trouble = $"{defect.GetType().Name}: {defect.Message}" };
            }

            await SayAsync(answer);
            Interlocked.Decrement(ref open);
        }

        private async Task SayAsync(SiteMessage message)
        {
            try
            {
                await channel.SendAsync(message, over);
            }
            catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException)
            {
                // Whoever receives on this line finds out.
            }
        }
    }
}

/// <summary>The service's side of one call: who hears of it, and what it may be told.</summary>
/// <param name="Observer">Hears of chunks and bytes.</param>
/// <param name="Content">The one content that tickets are given for.</param>
/// <param name="Route">Where it is to be had; null for calls that fetch nothing.</param>
/// <param name="Throttle">How many bytes may travel now; null: all.</param>
internal sealed record SiteHearing(
    ITransferObserver Observer, ContentDescription? Content = null, ContentRoute? Route = null, Func<int, CancellationToken, ValueTask<int>>? Throttle = null)
{
    public static SiteHearing Nothing { get; } = new(SilentObserver.Instance);

    public void Hear(SiteMessage news)
    {
        switch (news)
        {
            case SiteMessage.Planned planned:
                Observer.Planned(planned.Needed, planned.Before, planned.Bytes);
                break;
            case SiteMessage.Requested requested:
                Observer.ChunkRequested(requested.Chunk);
                break;
            case SiteMessage.Staged staged:
                Observer.ChunkStaged(staged.Chunk, staged.Length);
                break;
            case SiteMessage.Travelled travelled:
                Observer.Travelled(travelled.Bytes);
                break;
            case SiteMessage.Advanced advanced:
                Observer.Advanced(advanced.Bytes, advanced.Total);
                break;
            case SiteMessage.FromPeer peer:
                Route?.Swarm?.CameFromPeer(peer.Bytes);
                break;
            case SiteMessage.Waits:
                Route?.Swarm?.Waits();
                break;
            default:
                throw new IOException($"The site says '{news.GetType().Name}' in a call.");
        }
    }

    /// <exception cref="IOException">There is no answer; the message says why.</exception>
    public async Task<SiteMessage.Answer> AnswerAsync(SiteMessage.Question question, ISiteLink link, Digest receiver, CancellationToken cancellationToken) => question switch
    {
        { Tell: { } report } => new SiteMessage.Answer(question.Id) { Orders = await TellAsync(report, cancellationToken) },
        { Ticket: { } source } => await TicketAsync(question.Id, source, link, receiver, cancellationToken),
        { Throttle: > 0 and var bytes } => new SiteMessage.Answer(question.Id) { Bytes = await ThrottleAsync(question.From, bytes, cancellationToken) },
        { Pace: >= 0 and var bytes } => // sites of older builds ask for stretches of zeros too
            new SiteMessage.Answer(question.Id) { Bytes = await PaceAsync(bytes, cancellationToken) },
        _ => throw new IOException("The question cannot be understood."),
    };

    private async Task<IReadOnlyList<SiteOrder>> TellAsync(SiteReport report, CancellationToken cancellationToken)
    {
        var swarm = Route?.Swarm ?? throw new IOException("This call has no tracker.");
        var held = PieceSet.TryFrom(report.Held, report.Pieces) ?? throw new IOException("The pieces held do not fit their number.");
        var orders = await swarm.TellAsync(
            new SwarmReport(held, report.Wanted)
            {
                Arrived = report.Arrived ?? new Dictionary<int, double>(),
                Failed = report.Failed ?? [],
                Late = report.Late ?? new Dictionary<int, double>(),
                Lie = report.Liar is { } liar ? (liar, report.LieChunk) : null,
                IsLeaving = report.IsLeaving,
                Filling = report.Filling is { } filling ? PieceSet.TryFrom(filling, report.Pieces) ?? throw new IOException("The pieces that are filled in do not fit their number.") : null,
            },
            cancellationToken);
        return [.. orders.Select(order => new SiteOrder(order.Piece, order.Source, order.IsOrigin))];
    }

    private async Task<SiteMessage.Answer> TicketAsync(int id, PodName source, ISiteLink link, Digest receiver, CancellationToken cancellationToken)
    {
        var (route, content) = (Route ?? throw new IOException("This call fetches nothing."), Content!);
        var place = source == route.Origin.Pod ? route.Origin : await route.PlaceOf(source, cancellationToken);
        return link.GrantFor(place, content, receiver) is { } grant
            ? new SiteMessage.Answer(id) { Server = grant.Server, Ticket = grant.Ticket.Text, ExpiresAt = grant.Ticket.ExpiresAt }
            : throw new IOException(NotServed(source));
    }

    public static string NotServed(PodName source) => $"No block server gives out the copies of pod {source}.";

    /// <summary>Another pod's bytes count against its own caps.</summary>
    private async ValueTask<int> ThrottleAsync(PodName? from, int bytes, CancellationToken cancellationToken) => (from, Route?.Swarm, Throttle) switch
    {
        ({ } peer, { } swarm, _) => await swarm.AskAsync(peer, bytes, cancellationToken),
        (_, _, { } throttle) => await throttle(bytes, cancellationToken),
        _ => bytes,
    };

    private async Task<int> PaceAsync(int bytes, CancellationToken cancellationToken)
    {
        if (Observer is IPacedObserver paced)
        {
            await paced.PaceAsync(bytes, cancellationToken);
        }

        return bytes;
    }
}
