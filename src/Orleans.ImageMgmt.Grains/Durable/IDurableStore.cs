using System.Text.Json;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>
/// Rows that outlive the process: what grains keep, one row per (key, name). <see cref="GroupCommitGrainStorage"/> is built on it; a grain
/// that must keep several records in one step uses it directly.
/// </summary>
public interface IDurableStore
{
    /// <summary>
    /// Writes all rows in one transaction, or none. The returned ETags stand in the order of <paramref name="writes"/>; null for a deleted row.
    /// When the task has completed, the rows are on disk and every later read sees them.
    /// </summary>
    /// <param name="writes">1 to <see cref="DurableOptions.RowsPerWrite"/> rows, each (key, name) once.</param>
    /// <param name="cancellationToken">Honoured until the writer takes the request; from then on its outcome is awaited, because it would be unknown.</param>
    /// <exception cref="Storage.InconsistentStateException">A row's ETag is not the one given. Nothing of this request was written.</exception>
    /// <exception cref="StoreUnavailableException">The store cannot write now; its code and sentence say why. Nothing was written,
    /// except for code <see cref="StoreUnavailableException.Slow"/>, where the outcome is unknown: read again before writing.</exception>
    /// <exception cref="StoreCorruptException">The database is damaged. The store takes nothing more.</exception>
    /// <exception cref="ArgumentException">The request itself is wrong: no rows, too many, twice the same, a payload over its limit.</exception>
    Task<IReadOnlyList<string?>> WriteAsync(IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken);

    /// <summary>One row, or null when there is none.</summary>
    Task<StoredRow?> ReadAsync(string key, string name, CancellationToken cancellationToken);

    /// <summary>Rows of one key whose names begin with <paramref name="namePrefix"/>, by name in ordinal order, after <paramref name="after"/>.</summary>
    /// <param name="key">The owner, as in <see cref="RowWrite.Key"/>.</param>
    /// <param name="namePrefix">May be empty: all rows of the key.</param>
    /// <param name="after">The last name of the page before, or null for the first page.</param>
    /// <param name="limit">1 to <see cref="Domain.Limits.PageRows"/> rows.</param>
    /// <param name="cancellationToken">Stops the query.</param>
    Task<IReadOnlyList<StoredRow>> ListAsync(string key, string namePrefix, string? after, int limit, CancellationToken cancellationToken);
}

/// <summary>One row to be written or deleted.</summary>
/// <param name="Key">Who owns it: the full grain id, compared byte for byte.</param>
/// <param name="Name">Which record of the owner.</param>
/// <param name="ETag">What the row must have now: null for "there is none", or <see cref="AnyETag"/>.</param>
/// <param name="Payload">The new content, or null to delete the row.</param>
/// <param name="Projections">What lists shall show from now on; stored in the same transaction.</param>
public sealed record RowWrite(string Key, string Name, string? ETag, ReadOnlyMemory<byte>? Payload, IReadOnlyList<Projection> Projections)
{
    /// <summary>Writes whatever the row holds. Only for a row that never changes hands and travels together with a row whose ETag is checked.</summary>
    public const string AnyETag = "*";

    /// <summary>A row holding <paramref name="state"/> as JSON, with the projections of an <see cref="IProjected"/> and <paramref name="also"/>.</summary>
    public static RowWrite Put<TState>(GrainId owner, string name, string? etag, TState state, params IEnumerable<Projection> also)
        where TState : class =>
        new(owner.ToString(), name, etag, StateJson.Save(state), [.. state is IProjected projected ? projected.Project() : [], .. also]);

    /// <summary>Deletes the row; <paramref name="projections"/> says what disappears from lists.</summary>
    public static RowWrite Delete(GrainId owner, string name, string? etag, params IEnumerable<Projection> projections) =>
        new(owner.ToString(), name, etag, null, [.. projections]);
}

/// <summary>One row as it is stored.</summary>
/// <param name="Key">Who owns it.</param>
/// <param name="Name">Which record of the owner.</param>
/// <param name="ETag">What the next write of this row must carry.</param>
/// <param name="Payload">Its content.</param>
/// <param name="Changed">When it was last written.</param>
public sealed record StoredRow(string Key, string Name, string ETag, ReadOnlyMemory<byte> Payload, DateTimeOffset Changed)
{
    /// <summary>The content as state.</summary>
    /// <exception cref="StateSchemaException">It was written by a newer program.</exception>
    /// <exception cref="JsonException">It is not such a state.</exception>
    public TState Load<TState>() where TState : class => StateJson.Load<TState>(Payload.Span, $"{Key} {Name}");
}
