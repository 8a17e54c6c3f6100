using System.Text.Json;

namespace Orleans.ImageMgmt.Host;

/// <summary>Words of the domain and of the wire. They are spelled the same; a test says so.</summary>
internal static class Wording
{
    public static TTo To<TTo>(Enum word) where TTo : struct, Enum => Enum.Parse<TTo>(word.ToString());

    /// <summary><c>NoRoom</c> becomes <c>noRoom</c>.</summary>
    public static string Camel(Enum word) => JsonNamingPolicy.CamelCase.ConvertName(word.ToString());
}
