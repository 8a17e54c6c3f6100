using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: a line of the log can be found by a number that never changes its meaning, and holds no secret.</summary>
public sealed class LogTests
{
    /// <summary>Every project whose lines end up in the server's log.</summary>
    private static readonly Assembly[] Ours =
    [
        typeof(HostSettings).Assembly, typeof(Grains.ImageMgmtOptions).Assembly, typeof(Client.ImageMgmtClient).Assembly, typeof(Connectors.IPodConnector).Assembly,
    ];

    [Fact]
    public void Event_ids_are_unique_and_those_of_the_committed_list()
    {
        var path = Path.Combine(Sources.Root, "eng", "event-ids.txt");
        var found = Ours.SelectMany(a => a.GetTypes()).SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Select(m => (Method: m, Line: m.GetCustomAttribute<LoggerMessageAttribute>())).Where(m => m.Line is not null)
            .Select(m => (Id: m.Line!.EventId, Text: $"{m.Line.EventId} {m.Line.Level} {m.Line.Message}", m.Method)).OrderBy(m => m.Id).ToList();
        if (Environment.GetEnvironmentVariable("IMGMT_WRITE_REFERENCE") == "1")
        {
            File.WriteAllLines(path, found.Select(m => m.Text));
        }

        Assert.NotEmpty(found);
        Assert.All(found.GroupBy(m => m.Id), same => Assert.True(same.Count() == 1, $"Event id {same.Key} is given to {string.Join(" and ", same.Select(m => $"{m.Method.DeclaringType?.Name}.{m.Method.Name}"))}."));
        Assert.True(found.Select(m => m.Text).SequenceEqual(File.ReadAllLines(path)),
            "eng/event-ids.txt is not what the code says: an id never changes its meaning. Run this test with IMGMT_WRITE_REFERENCE=1, look at the difference and commit it.");
    }

    [Theory]
    [InlineData("Authorization: Bearer imgmt_abc.def-123", "Authorization: Bearer (hidden)")]
    [InlineData("connect with password=hunter2; user=a", "connect with password=(hidden); user=a")]
    [InlineData("{\"clientSecret\": \"s3cr3t value\", \"x\": 1}", "{\"clientSecret\": (hidden), \"x\": 1}")]
    [InlineData("Pod a is Connected", "Pod a is Connected")]
    public void Lines_kept_in_memory_hold_no_secret(string line, string kept)
    {
        var lines = new RecentLines();

        lines.Add(line, kept: 1);

        Assert.Equal([kept], lines.Snapshot());
    }

    [Fact]
    public void Only_the_newest_lines_are_kept()
    {
        var lines = new RecentLines();

        for (var i = 0; i < 100; i++)
        {
            lines.Add($"line {i}", kept: 3);
        }

        Assert.Equal(["line 97", "line 98", "line 99"], lines.Snapshot());
    }

    [Fact]
    public async Task As_JSON_every_line_is_an_object_with_a_UTC_time_an_id_and_a_level()
    {
        var lines = await WrittenAsync("Log:Format=Json", "Log:Level=Information");

        Assert.NotEmpty(lines);
        Assert.All(lines, line =>
        {
            var json = JsonDocument.Parse(line).RootElement;
            Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", json.GetProperty("Timestamp").GetString());
            Assert.Equal(JsonValueKind.Number, json.GetProperty("EventId").ValueKind);
            Assert.Contains(json.GetProperty("LogLevel").GetString(), Enum.GetNames<LogLevel>());
        });
        Assert.Contains(lines, line => line.Contains("\"EventId\":102", StringComparison.Ordinal));
    }

    [Fact]
    public async Task As_text_every_line_begins_with_a_UTC_time_and_a_start_says_nothing_that_nobody_can_act_on()
    {
        var lines = await WrittenAsync("Log:Level=Information");

        Assert.All(lines, line => Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \w+: ", line));
        Assert.DoesNotContain(lines, line => line.Contains("ServerGC", StringComparison.Ordinal) || line.Contains("Orleans.Runtime", StringComparison.Ordinal));
    }

    /// <summary>What a server of its own writes to standard error from start to end.</summary>
    private static async Task<IReadOnlyList<string>> WrittenAsync(params string[] settings)
    {
        using var folder = new TemporaryFolder();
        await using var server = ServerProcess.Start(folder.Path, settings);
        await server.ReadyAsync();
        await server.TerminateAsync();
        return server.Errors;
    }
}
