using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Watching;

/// <summary>Goal: an alert fires when it should and not when it should not, and none waits for a metric that nobody sends. Method: Prometheus' own tool, and the documented table.</summary>
public sealed partial class AlertTests
{
    private static string Rules => Path.Combine(Sources.Root, "silo-config", "prometheus-alerts.yml");

    private static string Cases => Path.Combine(Sources.Root, "silo-config", "prometheus-alerts.test.yml");

    [Fact]
    public async Task The_rules_are_rules_to_Prometheus()
    {
        var (code, output) = await Programs.RunAsync("promtool", ["check", "rules", Rules]);

        Assert.True(code == 0, output);
        Assert.Contains($"SUCCESS: {Alerts().Count} rules found", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_rule_fires_and_stays_silent_as_its_cases_say()
    {
        var (code, output) = await Programs.RunAsync("promtool", ["test", "rules", Cases]);

        Assert.True(code == 0, output);
        var cases = await File.ReadAllTextAsync(Cases, UpkeepServer.Stop);
        Assert.All(Alerts(), alert =>
        {
            Assert.Contains($"alertname: {alert}, exp_alerts: []", cases, StringComparison.Ordinal);
            Assert.Matches($$"""alertname="{{alert}}", alertstate="firing".*value: 1""", cases);
        });
    }

    [Fact]
    public void Every_metric_of_a_rule_is_one_that_the_service_sends()
    {
        var sent = Documented().Matches(File.ReadAllText(Path.Combine(Sources.Root, "docs", "metrics.md"))).Select(m => m.Groups[1].Value).ToHashSet(StringComparer.Ordinal);
        var used = Metric().Matches(File.ReadAllText(Rules)).Select(m => m.Value).Distinct().ToList();

        Assert.True(used.Count > 8, string.Join(' ', used));
        Assert.All(used, name => Assert.True(sent.Contains(name) || sent.Any(s => name == s + "_bucket" || name == s + "_count"), $"{name} is not in docs/metrics.md"));
    }

    [Fact]
    public void Every_rule_says_what_to_do()
    {
        var rules = File.ReadAllText(Rules).Split("- alert: ")[1..];

        Assert.All(rules, rule => Assert.All((string[])["severity:", "summary:", "description:", "action:"], part => Assert.Contains(part, rule, StringComparison.Ordinal)));
    }

    private static List<string> Alerts() => [.. AlertName().Matches(File.ReadAllText(Rules)).Select(m => m.Groups[1].Value)];

    [GeneratedRegex(@"- alert: (\w+)")]
    private static partial Regex AlertName();

    [GeneratedRegex(@"\bimgmt_[a-z_]+(?=[\s{\[)])(?<!imgmt_pod_state|imgmt_copy_state|imgmt_operation_state|imgmt_fault_stage|imgmt_certificate_purpose)")]
    private static partial Regex Metric();

    [GeneratedRegex(@"\| `(imgmt_[a-z_]+)` \|")]
    private static partial Regex Documented();
}
