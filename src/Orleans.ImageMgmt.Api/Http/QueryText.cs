using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Api;

/// <summary>Builds the query part of an address; what is null is left out.</summary>
internal sealed class QueryText(string path)
{
    private readonly StringBuilder text = new(path);
    private char separator = '?';

    public QueryText Add(string name, string? value)
    {
        if (value is not null)
        {
            text.Append(separator).Append(name).Append('=').Append(Uri.EscapeDataString(value));
            separator = '&';
        }

        return this;
    }

    public QueryText Add(PageRequest? page) => Add("limit", page?.Limit?.ToString(CultureInfo.InvariantCulture)).Add("cursor", page?.Cursor);

    public override string ToString() => text.ToString();
}
