using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Content;

/// <summary>How sealing behaves.</summary>
public sealed class SealOptions
{
    /// <summary>A source must have been left alone for this long. File times advance in ticks of the kernel's clock (1 to 10 ms); a write in
    /// the same tick as the one before it changes no time stamp and would go unseen. Default: 100 ms.</summary>
    public TimeSpan SettleTime { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>How often a source that keeps changing is looked at again before it is refused. Default: 20.</summary>
    public int SettleTries { get; init; } = 20;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    internal long WriteBackBytes { get; init; } = 8L << 20;
}

/// <summary>What sealing found out.</summary>
public sealed record SealedContent(ContentManifest Manifest, ContentDescription Content);

/// <summary>Takes the guest-visible bytes of a source into a sparse raw file, and computes every digest in the same pass.</summary>
public static class Sealer
{
    /// <param name="source">The guest-visible bytes.</param>
    /// <param name="sourceFile">The file that carries them: hashed as found, and watched.</param>
    /// <param name="target">Open for reading and writing; whatever it holds is replaced. Not flushed: <see cref="CopyVerifier"/> does.</param>
    /// <exception cref="SourceChangedException">Somebody wrote to the source meanwhile.</exception>
    /// <exception cref="SourceUnreadableException">The source failed to read.</exception>
    /// <exception cref="DiskFormatException">The container is damaged.</exception>
    /// <exception cref="IOException">The target cannot be written; <see cref="IoTroubles.Classify"/> says why.</exception>
    public static Task<SealedContent> SealAsync(
        DiskImage source,
        SafeFileHandle sourceFile,
        SafeFileHandle target,
        SealOptions options,
        ITransferObserver observer,
        CancellationToken cancellationToken) => RunAsync(source, sourceFile, target, options, observer, cancellationToken);

    /// <summary>What <see cref="SealAsync"/> finds out, without a copy.</summary>
    internal static Task<SealedContent> DescribeAsync(
        DiskImage source, SafeFileHandle sourceFile, SealOptions options, ITransferObserver observer, CancellationToken cancellationToken) =>
        RunAsync(source, sourceFile, null, options, observer, cancellationToken);

    private static async Task<SealedContent> RunAsync(
        DiskImage source, SafeFileHandle sourceFile, SafeFileHandle? target, SealOptions options, ITransferObserver observer, CancellationToken cancellationToken)
    {
        var before = await SettledAsync(sourceFile, options, cancellationToken);
        using var contentHash = new SerialHash(cancellationToken);
        using var pass = new SealPass(source, sourceFile, target, contentHash, options, observer);
        try
        {
            await PieceBuffers.RunAsync(() => pass.Run(contentHash.Token), contentHash.Token);
        }
        catch
        {
            await contentHash.AbandonAsync();
            throw;
        }

        var content = await contentHash.FinishAsync();
        var after = SparseFile.Identify(sourceFile);
        if (after != before)
        {
            throw new SourceChangedException($"The source changed while it was read: {before} before, {after} after.");
        }

        var contentDigest = Digest.FromBytes(content);
        var manifest = new ContentManifest(source.Length, pass.ChunkSize, contentDigest, pass.ChunkDigests);
        return new SealedContent(manifest, new ContentDescription(
            source.Kind,
            contentDigest,
            manifest.Length,
            manifest.DataLength,
            manifest.ComputeDigest(),
            manifest.ChunkSize,
            manifest.DataChunks,
            source.Format,
            before.Length,
            pass.SourceDigest ?? contentDigest));
    }

    private static async Task<FileIdentity> SettledAsync(SafeFileHandle file, SealOptions options, CancellationToken cancellationToken)
    {
        for (var look = 0; look < options.SettleTries; look++)
        {
            var identity = SparseFile.Identify(file);
            var changed = DateTimeOffset.UnixEpoch.AddTicks(Math.Max(identity.ModifiedNanoseconds, identity.ChangedNanoseconds) / 100);
            var age = options.TimeProvider.GetUtcNow() - changed;
            if (age >= options.SettleTime)
            {
                return identity;
            }

            await Task.Delay(options.SettleTime, options.TimeProvider, cancellationToken);
            if (age < TimeSpan.Zero && SparseFile.Identify(file) == identity)
            {
                // A time stamp of the future (the share's clock runs ahead, or somebody set it): what counts is that it stood still.
                return identity;
            }
        }

        throw new SourceChangedException($"The source is being written: it changed again and again within {options.SettleTime * options.SettleTries}.");
    }
}
