using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Grains;

/// <summary>Makes the data directory that came out of a backup ready for its first start.</summary>
public static class RestoredStore
{
    /// <summary>Raises all generations above what pods may have seen since, and notes that pods have to be asked what they really hold.</summary>
    /// <param name="dataDirectory">Nobody has started a service on it yet.</param>
    /// <param name="backupMadeAt">For the note.</param>
    /// <param name="by">Who restores it.</param>
    /// <param name="log">Hears of failed commits.</param>
    /// <param name="time">Its time is what generations are raised by.</param>
    /// <param name="cancellationToken">Stops it; the directory is then of no use.</param>
    /// <exception cref="StoreException">The database cannot be opened.</exception>
    public static async Task PrepareAsync(string dataDirectory, DateTimeOffset backupMadeAt, RequestedBy by, ILogger log, TimeProvider time, CancellationToken cancellationToken)
    {
        await using var store = EmbeddedStore.Open(dataDirectory, new DurableOptions(), log, time);
        var before = await RestoreRecord.ReadAsync(store.Rows, cancellationToken);
        var now = time.GetUtcNow();
        var lift = now.ToUnixTimeMilliseconds();
        await store.RewriteAsync(new GenerationLift(lift).Of, cancellationToken);
        var record = new RestoreRecord { GenerationFloor = (before?.GenerationFloor ?? 0) + lift, BackupMadeAt = backupMadeAt, RestoredAt = now };
        await store.Rows.WriteAsync([record.ToWrite(Activity.Line(now, by, "service.restored", $"Restored from a backup of {backupMadeAt:yyyy-MM-ddTHH:mm:ssZ}"))], cancellationToken);
    }
}
