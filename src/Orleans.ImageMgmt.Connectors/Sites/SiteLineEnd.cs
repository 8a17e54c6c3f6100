using System.Collections.Concurrent;
using System.Threading.Channels;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>The site's end of one line: tells the service how the call goes, in order, and asks it what only it knows.</summary>
internal sealed class SiteLineEnd : IPacedObserver, IAsyncDisposable
{
    /// <summary>News that wait to be sent; more hold the transfer back.</summary>
    private const int NewsLimit = 1_024;

    /// <summary>Sealed and read-back bytes are told at most so often.</summary>
    private static readonly TimeSpan AdvanceEvery = TimeSpan.FromMilliseconds(200);

    private readonly SiteChannel channel;
    private readonly CancellationTokenSource stopped;
    private readonly Channel<SiteMessage> news = Channel.CreateBounded<SiteMessage>(new BoundedChannelOptions(NewsLimit) { SingleReader = true });
    private readonly ConcurrentDictionary<int, TaskCompletionSource<SiteMessage.Answer>> questions = new();
    private readonly Task sending;
    private int lastQuestion;
    private long advancedAt = TimeProvider.System.GetTimestamp();

    public SiteLineEnd(SiteChannel channel, CancellationToken stop)
    {
        this.channel = channel;
        stopped = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Stopped = stopped.Token;
        sending = Task.Run(SendAsync, CancellationToken.None);
    }

    /// <summary>The service asked to stop, or is gone, or the process ends.</summary>
    public CancellationToken Stopped { get; }

    /// <summary>Takes answers until the work is done; stops the work when the service asks so or is gone.</summary>
    public async Task ListenAsync(Task working)
    {
        using var enough = new CancellationTokenSource();
        var listening = ListenAsync(enough.Token);
        await Task.WhenAny(working, listening);
        if (!working.IsCompleted)
        {
            await stopped.CancelAsync();
            await working;
        }

        // The socket's reading is left behind rather than cancelled: a read that is cancelled closes the socket, and the ending has still to be said.
        _ = listening.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    /// <summary>The last word, after all news.</summary>
    public async Task EndAsync(SiteMessage.Ended ended)
    {
        await TellAsync(ended);
        news.Writer.TryComplete();
        await sending;
        await channel.CloseAsync();
    }

    public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded) => Tell(new SiteMessage.Planned(chunksNeeded, chunksStaged, bytesNeeded));

    public void ChunkRequested(int chunk) => Tell(new SiteMessage.Requested(chunk));

    public void ChunkStaged(int chunk, int length) => Tell(new SiteMessage.Staged(chunk, length));

    public void Travelled(int bytes) => Tell(new SiteMessage.Travelled(bytes));

    public void Advanced(long bytes, long total)
    {
        var at = Interlocked.Read(ref advancedAt);
        if (bytes >= total || TimeProvider.System.GetElapsedTime(at) >= AdvanceEvery)
        {
            Interlocked.Exchange(ref advancedAt, TimeProvider.System.GetTimestamp());
            Tell(new SiteMessage.Advanced(bytes, total));
        }
    }

    public void CameFromPeer(int bytes) => Tell(new SiteMessage.FromPeer(bytes));

    public void Waits() => Tell(new SiteMessage.Waits());

    public async ValueTask PaceAsync(int bytes, CancellationToken cancellationToken) => await AskAsync(id => new SiteMessage.Question(id) { Pace = bytes }, cancellationToken);

    /// <summary>How many of these bytes may travel now from the origin.</summary>
    public ValueTask<int> ThrottleAsync(int wanted, CancellationToken cancellationToken) => ThrottleAsync(null, wanted, cancellationToken);

    /// <summary>The same from any pod; null: from the origin.</summary>
    public async ValueTask<int> ThrottleAsync(PodName? from, int wanted, CancellationToken cancellationToken)
    {
        var answer = await AskAsync(id => new SiteMessage.Question(id) { Throttle = wanted, From = from }, cancellationToken);
        return answer.Bytes > 0 && answer.Bytes <= wanted ? answer.Bytes : throw new IOException($"The service lets {answer.Bytes} of {wanted} bytes travel.");
    }

    /// <exception cref="IOException">There is no answer.</exception>
    public async Task<SiteMessage.Answer> AskAsync(Func<int, SiteMessage.Question> question, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref lastQuestion);
        var answer = new TaskCompletionSource<SiteMessage.Answer>(TaskCreationOptions.RunContinuationsAsynchronously);
        questions[id] = answer;
        try
        {
            await TellAsync(question(id));
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Stopped);
            var given = await answer.Task.WaitAsync(either.Token);
            return given.Trouble is { } trouble ? throw new IOException(trouble) : given;
        }
        finally
        {
            questions.TryRemove(id, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        news.Writer.TryComplete();
        await stopped.CancelAsync();
        await sending;
        stopped.Dispose();
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await channel.ReceiveAsync(cancellationToken) is { } message)
            {
                if (message is SiteMessage.Answer answer)
                {
                    if (questions.TryRemove(answer.Id, out var question))
                    {
                        question.TrySetResult(answer);
                    }
                }
                else
                {
                    return; // told to stop; anything else has no business here
                }
            }
        }
        catch (IOException)
        {
            // The service is gone: nobody waits for this call.
        }
    }

    /// <summary>Called by transfer threads: waits where the line is slower than the news.</summary>
    private void Tell(SiteMessage message)
    {
        if (!news.Writer.TryWrite(message))
        {
            TellAsync(message).GetAwaiter().GetResult();
        }
    }

    private async Task TellAsync(SiteMessage message)
    {
        try
        {
            await news.Writer.WriteAsync(message, CancellationToken.None);
        }
        catch (ChannelClosedException)
        {
            // Nobody hears any more; the call is being stopped.
        }
    }

    private async Task SendAsync()
    {
        try
        {
            await foreach (var message in news.Reader.ReadAllAsync(CancellationToken.None))
            {
                await channel.SendAsync(message, CancellationToken.None);
            }
        }
        catch (IOException)
        {
            news.Writer.TryComplete();
            while (news.Reader.TryRead(out _))
            {
            }

            await stopped.CancelAsync();
        }
    }
}
