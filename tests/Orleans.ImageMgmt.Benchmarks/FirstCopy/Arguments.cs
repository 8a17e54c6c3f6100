using System.Globalization;

namespace Orleans.ImageMgmt.Benchmarks.FirstCopy;

/// <summary><c>--name value</c> pairs and bare <c>--name</c> switches.</summary>
internal sealed class Arguments(IReadOnlyList<string> words)
{
    public bool Has(string name) => words.Contains(name);

    public string? Text(string name)
    {
        var at = words.ToList().IndexOf(name);
        return at >= 0 && at + 1 < words.Count ? words[at + 1] : null;
    }

    public int Number(string name, int otherwise) => Text(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    public IReadOnlyList<int> Numbers(string name, string otherwise) =>
        [.. (Text(name) ?? otherwise).Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
}
