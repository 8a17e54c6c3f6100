using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// What this process knows of the tokens. A change made in this process is seen by the next request; one made by another silo at most
/// <see cref="HttpOptions.TokenRefresh"/> later, and a new token as soon as it is used. When the tokens cannot be read, nobody comes in.
/// </summary>
internal sealed class TokenDirectory(IGrainFactory grains, TokenChanges changes, HttpOptions http, TimeProvider time) : IDisposable
{
    /// <summary>A token that this process does not know may just have been made at another one: it looks again before it says so. However many guesses come, it looks
    /// at most so often; a request that comes in between waits for the next look.</summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly SemaphoreSlim loading = new(1, 1);
    private Snapshot current = new([], -1, -1, 0);

    /// <summary>The token with this hash, whatever its status, or null.</summary>
    public async ValueTask<AccessToken?> FindAsync(Digest hash, CancellationToken cancellationToken)
    {
        var wanted = hash.ToBytes();
        var asked = time.GetTimestamp();
        var known = await FreshAsync(http.TokenRefresh, cancellationToken);
        if (known.Find(wanted) is var found && (found is not null || known.LoadedAt >= asked))
        {
            return found;
        }

        if (LookAgain - time.GetElapsedTime(known.LoadedAt) is var early && early > TimeSpan.Zero)
        {
            await Task.Delay(early, time, cancellationToken);
        }

        return (await LoadedAsync(snapshot => snapshot.LoadedAt >= asked, cancellationToken)).Find(wanted);
    }

    public async ValueTask<IReadOnlyList<AccessToken>> AllAsync(CancellationToken cancellationToken) => (await FreshAsync(http.TokenRefresh, cancellationToken)).Tokens;

    public void Dispose() => loading.Dispose();

    private ValueTask<Snapshot> FreshAsync(TimeSpan limit, CancellationToken cancellationToken) =>
        LoadedAsync(known => known.Changes == changes.Count && time.GetElapsedTime(known.LoadedAt) < limit, cancellationToken);

    /// <summary>What is known, where that will do; else what is there now.</summary>
    private async ValueTask<Snapshot> LoadedAsync(Func<Snapshot, bool> isEnough, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref current) is var held && isEnough(held))
        {
            return held;
        }

        await loading.WaitAsync(cancellationToken);
        try
        {
            var known = current;
            if (isEnough(known))
            {
                return known;
            }

            var (seen, at) = (changes.Count, time.GetTimestamp()); // before the answer: a change after it makes us ask again
            var set = await grains.GetTokens().GetAsync(known.Revision).WaitAsync(cancellationToken);
            var fresh = set is null ? known with { Changes = seen, LoadedAt = at } : new Snapshot(set.Tokens, set.Revision, seen, at);
            Volatile.Write(ref current, fresh);
            return fresh;
        }
        finally
        {
            loading.Release();
        }
    }

    private static long Bucket(ReadOnlySpan<byte> hash) => BinaryPrimitives.ReadInt64BigEndian(hash);

    private sealed record Snapshot(IReadOnlyList<AccessToken> Tokens, long Revision, long Changes, long LoadedAt)
    {
        public IReadOnlyDictionary<long, List<AccessToken>> ByHash { get; } = Tokens.GroupBy(t => Bucket(t.Hash.ToBytes())).ToDictionary(g => g.Key, g => g.ToList());

        /// <summary>The bucket is found by a part of the hash; the whole of it is compared in constant time.</summary>
        public AccessToken? Find(byte[] wanted) => ByHash.TryGetValue(Bucket(wanted), out var candidates)
            ? candidates.FirstOrDefault(t => CryptographicOperations.FixedTimeEquals(t.Hash.ToBytes(), wanted)) : null;
    }
}

/// <summary>Writes down which tokens were used, once a minute for all of them.</summary>
internal sealed class TokenUse(IGrainFactory grains, TimeProvider time, ILogger<TokenUse> log) : BackgroundService
{
    private readonly ConcurrentDictionary<TokenName, bool> used = new(); // at most one entry per token

    public void Note(AccessToken token)
    {
        if (!(token.LastUsedAt > time.GetUtcNow() - TokenMachine.UseStep))
        {
            used.TryAdd(token.Name, true);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TokenMachine.UseStep, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await WriteAsync();
            }
        }
        catch (OperationCanceledException)
        {
            await WriteAsync(); // the silo stops after us
        }
    }

    private async Task WriteAsync()
    {
        var names = used.Keys.ToList();
        if (names.Count == 0)
        {
            return;
        }

        try
        {
            await grains.GetTokens().UsedAsync(names);
            names.ForEach(name => used.TryRemove(name, out _));
        }
        catch (Exception problem)
        {
            // Whatever the call threw: a note that is late is better than a service that ends because of a note.
            LocksLog.UseNotWritten(log, names.Count, problem);
        }
    }
}
