using System.Buffers.Binary;
using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NpgsqlTypes;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>What a column holds, whichever database it stands in.</summary>
internal enum CarriedKind
{
    Text,
    Number,

    /// <summary>32 bits on PostgreSQL.</summary>
    SmallNumber,

    /// <summary>A number on SQLite, a truth value on PostgreSQL.</summary>
    Flag,
    Bytes,

    /// <summary>Text on SQLite, a time on PostgreSQL, which keeps microseconds.</summary>
    Moment,
}

/// <summary>One column.</summary>
internal sealed record CarriedColumn(string Name, CarriedKind Kind)
{
    /// <summary>How Orleans' SQLite connection writes a time.</summary>
    private const string MomentText = "yyyy-MM-dd HH:mm:ss.FFFFFFF";

    public NpgsqlDbType PostgresType => Kind switch
    {
        CarriedKind.Text => NpgsqlDbType.Text,
        CarriedKind.Bytes => NpgsqlDbType.Bytea,
        CarriedKind.Flag => NpgsqlDbType.Boolean,
        CarriedKind.SmallNumber => NpgsqlDbType.Integer,
        CarriedKind.Moment => NpgsqlDbType.TimestampTz,
        _ => NpgsqlDbType.Bigint,
    };

    /// <summary>The value as both databases mean it: text, a number, bytes, or null.</summary>
    public object? Read(DbDataReader reader, int at) => reader.IsDBNull(at) ? null : Kind switch
    {
        CarriedKind.Text => reader.GetString(at),
        CarriedKind.Bytes => reader.GetFieldValue<byte[]>(at),
        CarriedKind.Flag => Convert.ToInt64(reader.GetValue(at), CultureInfo.InvariantCulture),
        CarriedKind.Moment => reader.GetValue(at) switch
        {
            DateTime time => Microseconds(time),
            var text => Microseconds(DateTime.Parse((string)text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal)),
        },
        CarriedKind.SmallNumber => Convert.ToInt64(reader.GetValue(at), CultureInfo.InvariantCulture),
        _ => reader.GetInt64(at),
    };

    public object ToPostgres(object value) => Kind switch
    {
        CarriedKind.Flag => (long)value != 0,
        CarriedKind.SmallNumber => checked((int)(long)value),
        CarriedKind.Moment => Time((long)value),
        _ => value,
    };

    public object ToSqlite(object value) => Kind == CarriedKind.Moment ? Time((long)value).ToString(MomentText, CultureInfo.InvariantCulture) : value;

    private static long Microseconds(DateTime time) => (time - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private static DateTime Time(long microseconds) => DateTime.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);
}

/// <summary>One table of the catalog, with what both databases have of it. Rows are read in the order of their key, compared by bytes.</summary>
/// <param name="Name">The same in both.</param>
/// <param name="Order">Its key, for PostgreSQL; SQLite compares by bytes anyway.</param>
/// <param name="Columns">In one order for both.</param>
internal sealed record CarriedTable(string Name, string Order, IReadOnlyList<CarriedColumn> Columns)
{
    /// <summary>Rows belong to a service, and only those of one are carried: its name differs from database to database.</summary>
    public bool HasService { get; init; }

    /// <summary>The SQLite database that holds it.</summary>
    public string File { get; init; } = DatabaseSnapshot.StoreName;

    /// <summary>All that a catalog consists of. Not in it: membership of silos, and the queries that each program brings along.</summary>
    public static IReadOnlyList<CarriedTable> All { get; } =
    [
        new("state", "key, name",
            [new("key", CarriedKind.Text), new("name", CarriedKind.Text), new("etag", CarriedKind.Number), new("changed", CarriedKind.Number), new("payload", CarriedKind.Bytes)]),
        new("catalog", "kind, key",
        [
            new("kind", CarriedKind.SmallNumber), new("key", CarriedKind.Text), new("sort", CarriedKind.Text), new("name", CarriedKind.Text), new("status", CarriedKind.Text),
            new("family", CarriedKind.Text), new("image", CarriedKind.Text), new("version", CarriedKind.Text), new("pod", CarriedKind.Text), new("created", CarriedKind.Number),
            new("changed", CarriedKind.Number), new("unfinished", CarriedKind.Flag), new("body", CarriedKind.Text),
        ]),
        new("activity", "number",
        [
            new("number", CarriedKind.Number), new("at", CarriedKind.Number), new("actor", CarriedKind.Text), new("action", CarriedKind.Text), new("image", CarriedKind.Text),
            new("version", CarriedKind.Text), new("pod", CarriedKind.Text), new("operation", CarriedKind.Text), new("body", CarriedKind.Text),
        ]),
        new("reminder", "grain COLLATE \"C\", name COLLATE \"C\"",
        [
            new("grain", CarriedKind.Text), new("name", CarriedKind.Text), new("start", CarriedKind.Moment), new("period", CarriedKind.Number),
            new("hash", CarriedKind.SmallNumber), new("version", CarriedKind.SmallNumber),
        ])
        { HasService = true, File = DatabaseSnapshot.RemindersName },
    ];

    public string ColumnList => string.Join(", ", Columns.Select(column => column.Name));

    public object?[] Read(DbDataReader reader) => [.. Columns.Select((column, at) => column.Read(reader, at))];
}

/// <summary>How many rows a table has, and what they add up to.</summary>
/// <param name="Table">Which.</param>
/// <param name="Rows">How many.</param>
/// <param name="Sha256">Over every value of every row in order.</param>
public sealed record CatalogSum(string Table, long Rows, string Sha256);

/// <summary>Adds up rows. Each value goes in with its kind and its length, so that no two rows can be taken for one.</summary>
internal sealed class CarriedSum(string table) : IDisposable
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long rows;

    public void Add(IReadOnlyList<object?> row)
    {
        rows++;
        Span<byte> number = stackalloc byte[sizeof(long)];
        foreach (var value in row)
        {
            switch (value)
            {
                case null:
                    Add(0, []);
                    break;
                case string text:
                    Add(1, Encoding.UTF8.GetBytes(text));
                    break;
                case byte[] bytes:
                    Add(2, bytes);
                    break;
                default:
                    BinaryPrimitives.WriteInt64LittleEndian(number, (long)value);
                    Add(3, number);
                    break;
            }
        }
    }

    public CatalogSum End() => new(table, rows, Convert.ToHexStringLower(hash.GetHashAndReset()));

    public void Dispose() => hash.Dispose();

    private void Add(byte kind, ReadOnlySpan<byte> value)
    {
        Span<byte> head = stackalloc byte[1 + sizeof(int)];
        head[0] = kind;
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], value.Length);
        hash.AppendData(head);
        hash.AppendData(value);
    }
}
