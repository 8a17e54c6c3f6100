using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: the program itself says what is wrong with its configuration, with exit codes that a script can use.</summary>
public sealed class ConfigCommandTests
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "imgmt.dll");

    [Fact]
    public async Task Check_ends_with_2_and_every_fault_or_with_0()
    {
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "imgmt.json");
        await File.WriteAllTextAsync(file, """{ "Http": { "Listn": "x" }, "Log": { "Level": "loud" } }""", UpkeepServer.Stop);

        var bad = await Programs.RunAsync("dotnet", [Program, "config", "check", "--config", file]);
        await File.WriteAllTextAsync(file, """{ "Log": { "Level": "Debug" } }""", UpkeepServer.Stop);
        var good = await Programs.RunAsync("dotnet", [Program, "config", "check", "--data", folder.Path]);
        var shown = await Programs.RunAsync("dotnet", [Program, "config", "show", "--data", folder.Path, "--set", "Store:Readers=2"]);

        Assert.Equal(2, bad.Code);
        Assert.Contains("'Http:Listn' is unknown; the nearest option is 'Http:Listen'", bad.Output, StringComparison.Ordinal);
        Assert.Contains("'Log:Level' is 'loud'", bad.Output, StringComparison.Ordinal);
        Assert.Contains("2 faults.", bad.Output, StringComparison.Ordinal);
        Assert.Equal((0, $"The configuration is good: {file}.\n"), good);
        Assert.Matches($@"(?m)^Log:Level\s+Debug\s+{System.Text.RegularExpressions.Regex.Escape(file)}:1$", shown.Output);
        Assert.Matches(@"(?m)^Store:Readers\s+2\s+--set Store:Readers$", shown.Output);
    }

    [Fact]
    public async Task A_server_with_a_wrong_configuration_does_not_start_and_says_all_of_it()
    {
        using var folder = new TemporaryFolder();

        var (code, output) = await Programs.RunAsync("dotnet", [Program, "serve", "--data", folder.Path, "--set", "Store:Reader=2", "--set", "Store:BatchRows=0"]);

        Assert.Equal(2, code);
        Assert.Contains("The configuration has 2 faults:", output, StringComparison.Ordinal);
        Assert.Contains("nearest option is 'Store:Readers'", output, StringComparison.Ordinal);
        Assert.Contains("Store:BatchRows is 0; it must be from 1 to 65536.", output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }
}
