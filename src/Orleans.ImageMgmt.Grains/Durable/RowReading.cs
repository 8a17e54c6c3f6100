using System.Data.Common;

namespace Orleans.ImageMgmt.Grains.Durable;

/// <summary>Rows out of the database; each select names its columns in the order used here.</summary>
internal static class RowReading
{
    public static StoredRow State(DbDataReader reader) => new(
        reader.GetString(0),
        reader.GetString(1),
        reader.GetInt64(2).ToString(System.Globalization.CultureInfo.InvariantCulture),
        reader.GetFieldValue<byte[]>(3),
        Time(reader, 4));

    public static CatalogRow Catalog(DbDataReader reader) => new(
        (CatalogKind)reader.GetInt32(0), reader.GetString(1), reader.GetString(3), reader.GetString(4), Time(reader, 9), Time(reader, 10), reader.GetString(12))
    {
        Sort = reader.GetString(2),
        Family = Maybe(reader, 5),
        Image = Maybe(reader, 6),
        Version = Maybe(reader, 7),
        Pod = Maybe(reader, 8),
        Unfinished = Convert.ToBoolean(reader.GetValue(11), System.Globalization.CultureInfo.InvariantCulture), // a number on SQLite
    };

    public static ActivityRow Activity(DbDataReader reader) => new(Time(reader, 1), reader.GetString(2), reader.GetString(3), reader.GetString(8))
    {
        Number = reader.GetInt64(0),
        Image = Maybe(reader, 4),
        Version = Maybe(reader, 5),
        Pod = Maybe(reader, 6),
        Operation = Maybe(reader, 7),
    };

    private static string? Maybe(DbDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static DateTimeOffset Time(DbDataReader reader, int column) => DateTimeOffset.FromUnixTimeMilliseconds(reader.GetInt64(column));
}
