using System.CommandLine;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt config</c>: what the configuration is, whether it can be used, and what could stand in it.</summary>
internal static class ConfigCommand
{
    private const int Good = 0;
    private const int Faulty = 2;

    public static Command Create()
    {
        var data = ServeCommand.DataOption();
        var file = ServeCommand.ConfigOption();
        var set = ServeCommand.SetOption();
        var check = new Command("check", "Say everything that is wrong with the configuration; 0 = good, 2 = faults.") { data, file, set };
        check.SetAction(parsed => Check(new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(file), Assignments = parsed.GetValue(set) ?? [] }));
        var show = new Command("show", "Print every option in force and where its value came from; secrets are hidden.") { data, file, set };
        show.SetAction(parsed => Show(new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(file), Assignments = parsed.GetValue(set) ?? [] }));
        var reference = new Command("reference", "Print every option with its default, unit and reason, as JSON.");
        reference.SetAction(_ => Console.Out.Write(Reference()));
        return new Command("config", "Check, show and explain the configuration.") { check, show, reference };
    }

    /// <summary>The committed reference, as it was when the program was built.</summary>
    internal static string Reference()
    {
        using var stream = typeof(ConfigCommand).Assembly.GetManifestResourceStream("reference.json")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static int Check(SettingsRequest request)
    {
        var faults = SettingsReader.Fill(new HostSettings(request.DataFolder) { Http = new HttpOptions() }, request);
        foreach (var fault in faults)
        {
            Console.Error.WriteLine(fault);
        }

        Console.Out.WriteLine(faults.Count == 0
            ? $"The configuration is good{(request.FileInForce is { } file ? $": {file}" : "; no file is used")}."
            : $"{faults.Count} {(faults.Count == 1 ? "fault" : "faults")}.");
        return faults.Count == 0 ? Good : Faulty;
    }

    private static int Show(SettingsRequest request)
    {
        var settings = new HostSettings(request.DataFolder) { Http = new HttpOptions() };
        var faults = SettingsReader.Fill(settings, request);
        var width = settings.Effective.Max(o => o.Key.Length);
        var valueWidth = Math.Min(40, settings.Effective.Max(o => o.Value.Length));
        foreach (var option in settings.Effective)
        {
            Console.Out.WriteLine($"{option.Key.PadRight(width)}  {option.Value.PadRight(valueWidth)}  {option.Place}");
        }

        foreach (var fault in faults)
        {
            Console.Error.WriteLine(fault);
        }

        return faults.Count == 0 ? Good : Faulty;
    }
}
