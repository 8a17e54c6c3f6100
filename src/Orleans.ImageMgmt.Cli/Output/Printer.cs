using System.Text.Json;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Writes results: tables for people, the API's own records for programs.</summary>
internal sealed class Printer(Screen screen, OutputFormat format, Paint paint, bool isQuiet)
{
    private static readonly JsonSerializerOptions Json = new(ImageMgmtJson.Options)
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // goes to a shell or a file, never into a page
    };

    /// <summary>Many records: in JSON an array of them.</summary>
    public void Many<T>(IReadOnlyList<T> records, Func<T, string> name, Func<IReadOnlyList<T>, Table> table, string whenNone)
    {
        if (!Structured(records, records.Select(name)))
        {
            if (records.Count > 0)
            {
                Write(table(records));
            }
            else if (!isQuiet)
            {
                screen.Error.WriteLine(whenNone);
            }
        }
    }

    /// <summary>One record, one line for each of its fields that has a value.</summary>
    public void One<T>(T record, Func<T, string> name, Func<T, IEnumerable<(string Title, string? Value)>> fields)
    {
        if (Structured(record, [name(record)]))
        {
            return;
        }

        var shown = fields(record).Where(field => !string.IsNullOrEmpty(field.Value)).ToList();
        var width = shown.Select(field => Plain.Width(field.Title)).DefaultIfEmpty().Max() + 2;
        foreach (var (title, value) in shown)
        {
            var line = Plain.Line(value);
            screen.Out.WriteLine(paint.Dim(Plain.Pad(title, width)) + paint.State(line, line));
        }
    }

    /// <summary>A record that follows a change: one sentence for people.</summary>
    public void Done<T>(T record, Func<T, string> name, string sentence)
    {
        if (!Structured(record, [name(record)]) && !isQuiet)
        {
            screen.Out.WriteLine(Plain.Line(sentence));
        }
    }

    public void Write(Table table)
    {
        foreach (var line in table.Render(screen.Width(), paint))
        {
            screen.Out.WriteLine(line);
        }
    }

    /// <summary>Writes for programs when that was asked for.</summary>
    public bool Structured<T>(T record, IEnumerable<string> names)
    {
        switch (format)
        {
            case OutputFormat.Json:
                screen.Out.WriteLine(JsonSerializer.Serialize(record, Json));
                return true;
            case OutputFormat.Yaml:
                screen.Out.Write(Yaml.Write(JsonSerializer.SerializeToElement(record, Json)));
                return true;
            case OutputFormat.Name:
                foreach (var name in names)
                {
                    screen.Out.WriteLine(Plain.Line(name));
                }

                return true;
            default:
                return false;
        }
    }
}
