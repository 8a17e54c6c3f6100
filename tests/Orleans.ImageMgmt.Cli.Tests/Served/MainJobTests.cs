using System.Text.Json;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Api;
using YamlDotNet.Serialization;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: the main job by hand, on a machine where nothing was set up, as a new user types it.</summary>
public sealed partial class MainJobTests(Estate estate) : IClassFixture<Estate>
{
    private Shell Shell => estate.Shell;

    [Fact]
    public async Task A_disk_is_imported_published_looked_at_disabled_and_deleted()
    {
        await ConnectAsync();
        await ImportAsync();
        await PublishAsync();
        await LookAsync();
        await DisableAndDeleteAsync();
    }

    private async Task ConnectAsync()
    {
        Assert.Contains("Ready", (await Shell.ImgctlAsync("status")).With(0).Out, StringComparison.Ordinal);
        var none = (await Shell.ImgctlAsync("pod", "list")).With(0);
        Assert.Empty(none.Out);
        Assert.StartsWith("There are no such pods.", none.Error, StringComparison.Ordinal);

        await estate.ConnectHeadOfficeAsync();
        await estate.ConnectAsync("branch-1", "--label", "region=eu,ring=pilot");
        await estate.ConnectAsync("branch-2", "--label", "region=us");
        Assert.Equal(["pod/branch-1", "pod/branch-2", "pod/head-office"], (await Shell.ImgctlAsync("pod", "list", "-o", "name")).With(0).Lines);
        Assert.Equal(["pod/branch-1"], (await Shell.ImgctlAsync("pod", "list", "--label", "region=eu", "-o", "name")).With(0).Lines);
        Assert.Equal(["NAME         STATE", "branch-1     Connected", "branch-2     Connected", "head-office  Connected"],
            (await Shell.ImgctlAsync("pod", "list")).With(0).Lines.Select(line => string.Join("  ", Gap().Split(line).Take(2)).TrimEnd())
                .Select(line => line.Split("  ") is [var name, var state] ? $"{name,-11}  {state}" : line));

        var labelled = (await Shell.ImgctlAsync("pod", "label", "branch-2", "ring=late", "region-")).With(0);
        Assert.Equal("Pod branch-2 has the labels ring=late.", labelled.Only);
        Assert.Contains("win10pos.raw", (await Shell.ImgctlAsync("pod", "sources", "head-office")).With(0).Out, StringComparison.Ordinal);
    }

    private async Task ImportAsync()
    {
        var import = (await Shell.ImgctlAsync("import", "Win10POS", "1.0", "--pod", "head-office", "--source", "win10pos.raw", "--sha256", estate.DiskSha256, "--wait")).With(0);
        Assert.DoesNotContain(import.Out, c => char.IsControl(c) && c != '\n');
        Assert.Equal("Win10POS 1.0: Deployment Complete after N, ready to be published", Normal(import.Lines[^1]));
        Assert.All(import.Lines[..^1], line => Assert.Matches("^(import Win10POS 1.0: (Accepted|Running)|head-office: (Pending|Preparing|Available))$", line));
        Assert.Contains("Deployment Complete", (await Shell.ImgctlAsync("version", "list", "Win10POS")).With(0).Out, StringComparison.Ordinal);
    }

    private async Task PublishAsync()
    {
        var publish = (await Shell.ImgctlAsync("publish", "Win10POS", "1.0", "--wait")).With(0);
        Assert.Empty(publish.Error);
        Assert.DoesNotContain(publish.Out, c => char.IsControl(c) && c != '\n');
        var lines = publish.Lines.Select(Normal).ToList();
        Assert.Equal("Win10POS 1.0: Available on N of N pods after N", lines[^1]);
        Assert.Single(lines, "branch-1: Available");
        Assert.Single(lines, "branch-2: Available");
        Assert.Equal(lines.Distinct(), lines); // a line is a change
        Assert.All(lines, line => Assert.Matches("^(publish Win10POS 1.0: (Accepted|Running)(, N pods)?|branch-[12]: (Pending|Replicating|Finalising|Available)|Win10POS 1.0: Available on N of N pods after N)$", line));
    }

    private async Task LookAsync()
    {
        var receipts = JsonSerializer.Deserialize<List<ReceiptResource>>((await Shell.ImgctlAsync("version", "receipts", "Win10POS", "1.0", "-o", "json")).With(0).Out, ImageMgmtJson.Options)!;
        Assert.Equal(["branch-1", "branch-2", "head-office"], receipts.Select(receipt => receipt.Pod).Order(StringComparer.Ordinal));
        Assert.All(receipts, receipt => Assert.Contains(estate.DiskSha256, receipt.ContentDigest, StringComparison.Ordinal));

        var json = (await Shell.ImgctlAsync("version", "show", "Win10POS", "1.0", "-o", "json")).With(0).Out;
        var version = JsonSerializer.Deserialize<VersionResource>(json, ImageMgmtJson.Options)!;
        Assert.Equal((VersionStatus.Available, true, 2), (version.Status, version.IsUsable, version.Targets.Available));
        var yaml = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build()
            .Deserialize<Dictionary<string, object?>>((await Shell.ImgctlAsync("version", "show", "Win10POS", "1.0", "-o", "yaml")).With(0).Out);
        using var document = JsonDocument.Parse(json);
        Assert.Equal(document.RootElement.EnumerateObject().Select(member => member.Name), yaml.Keys);
        Assert.Equal("1.0", yaml["version"]); // quoted: it is a name, not a number
        Assert.Equal("version/Win10POS/1.0", (await Shell.ImgctlAsync("version", "list", "Win10POS", "-o", "name")).With(0).Only);
        Assert.Equal("image/Win10POS", (await Shell.ImgctlAsync("image", "list", "-o", "name")).With(0).Only);

        string[][] reads = [["pod", "list"], ["pod", "show", "branch-1"], ["pod", "sources", "head-office"], ["pod", "copies", "branch-1"], ["image", "list"], ["image", "show", "Win10POS"], ["version", "list", "Win10POS"],
            ["version", "copies", "Win10POS", "1.0"], ["operation", "list"], ["activity"], ["token", "list"], ["status"], ["version"], ["context", "list"], ["context", "show"]];
        foreach (var read in reads)
        {
            using var parsed = JsonDocument.Parse((await Shell.ImgctlAsync([.. read, "-o", "json"])).With(0).Out);
            Assert.True(parsed.RootElement.ValueKind is JsonValueKind.Object or JsonValueKind.Array);
            var deserialized = new DeserializerBuilder().Build().Deserialize<object>((await Shell.ImgctlAsync([.. read, "--output", "yaml"])).With(0).Out);
            Assert.NotNull(deserialized);
            Assert.All((await Shell.ImgctlAsync([.. read, "-o", "name"])).With(0).Lines, line => Assert.Matches("^[a-z]+/.+$", line));
            Shell.Variables["COLUMNS"] = "60";
            Assert.All((await Shell.ImgctlAsync(read)).With(0).Lines, line => Assert.True(!line.StartsWith("NAME", StringComparison.Ordinal) || line.Length <= 60, line));
            Shell.Variables["COLUMNS"] = null;
        }
    }

    private async Task DisableAndDeleteAsync()
    {
        Assert.Equal("Version Win10POS 1.0 is Disabled.", (await Shell.ImgctlAsync("version", "disable", "Win10POS", "1.0", "--reason", "bad driver")).With(0).Only);
        Assert.Equal("Version Win10POS 1.0 is Available.", (await Shell.ImgctlAsync("version", "enable", "Win10POS", "1.0")).With(0).Only);
        var refused = (await Shell.ImgctlAsync("version", "delete", "Win10POS", "1.0")).With(2);
        Assert.Equal("imgctl: Delete version Win10POS 1.0 and its copies on 2 pods? Nobody is here to be asked.", refused.ErrorLines[0]);
        var deleted = (await Shell.ImgctlAsync("version", "delete", "Win10POS", "1.0", "--yes", "--wait")).With(0);
        Assert.Equal("Win10POS 1.0: Deleted after N", Normal(deleted.Lines[^1]));
        Assert.Contains("bad driver", (await Shell.ImgctlAsync("activity", "--image", "Win10POS")).With(0).Out, StringComparison.Ordinal);
    }

    /// <summary>Numbers, sizes and times are different every time.</summary>
    internal static string Normal(string line) => Numbers().Replace(line, "N");

    [GeneratedRegex(@"(?<![\w.])\d+(:\d\d)+|(?<![\w.-])\d+(\.\d+)? [KMGT]?i?B\b|(?<![\w.-])\d+(?![\w.:])")]
    private static partial Regex Numbers();

    [GeneratedRegex(" {2,}")]
    private static partial Regex Gap();
}
