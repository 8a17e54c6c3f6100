using System.Text;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>Goal: a table fits whatever it is shown on. Nothing wraps, the least needed column goes first, and what is cut says so.</summary>
public sealed class TableTests
{
    private static Table Pods()
    {
        var table = new Table(new("NAME", 0, 12), new("STATE"), new("SLOTS", 3, IsNumber: true), new("LABELS", 2, 8), new("FAULT", 1, 16));
        table.Add("on-prem-pod-1", "Connected", "2", "region=eu,ring=pilot,rack=r17", "");
        table.Add("branch-office-hamburg-harbour-terminal-4", "Unreachable", "16", "region=eu", "probe.unreachable");
        table.Add("pod-3", "Draining", "2", "", "");
        return table;
    }

    [Fact]
    public void Two_hundred_columns_show_everything()
    {
        Assert.Equal(
            """
            NAME                                      STATE        SLOTS  LABELS                         FAULT
            on-prem-pod-1                             Connected        2  region=eu,ring=pilot,rack=r17
            branch-office-hamburg-harbour-terminal-4  Unreachable     16  region=eu                      probe.unreachable
            pod-3                                     Draining         2
            """, Rendered(Pods(), 200));
    }

    [Fact]
    public void Eighty_columns_shorten_the_widest_cells()
    {
        Assert.Equal(
            """
            NAME                 STATE        SLOTS  LABELS                FAULT
            on-prem-pod-1        Connected        2  region=eu,ring=pilo…
            branch-office-hamb…  Unreachable     16  region=eu             probe.unreachable
            pod-3                Draining         2
            """, Rendered(Pods(), 80));
        Assert.All(Pods().Render(80, Paint.None), line => Assert.InRange(Plain.Width(line), 1, 80));
        Assert.Contains("SLOTS", Rendered(Pods(), 80), StringComparison.Ordinal);
        Assert.Contains('…', Rendered(Pods(), 80));
    }

    [Fact]
    public void Forty_columns_keep_the_name_and_the_state_and_drop_the_rest_by_rank()
    {
        var lines = Pods().Render(40, Paint.None).ToList();
        Assert.All(lines, line => Assert.InRange(Plain.Width(line), 1, 40));
        Assert.StartsWith("NAME", lines[0], StringComparison.Ordinal);
        Assert.Contains("STATE", lines[0], StringComparison.Ordinal);
        Assert.DoesNotContain("SLOTS", lines[0], StringComparison.Ordinal);
        Assert.Contains("Unreachable", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void Any_width_from_one_column_on_is_kept()
    {
        for (var width = 16; width <= 220; width++)
        {
            Assert.All(Pods().Render(width, Paint.None), line => Assert.True(Plain.Width(line) <= width, $"{width}: {line}"));
        }
    }

    [Fact]
    public void Wide_characters_count_two_and_combining_marks_nothing()
    {
        var table = new Table(new("NAME", 0, 4), new("STATE"));
        table.Add("画像画像画像画像", "Available");
        table.Add("e\u0301tat", "Failed");
        var lines = table.Render(20, Paint.None).ToList();
        Assert.All(lines, line => Assert.InRange(Plain.Width(line), 1, 20));
        Assert.Equal("画像画像…  Available", lines[1]);
        Assert.Equal("e\u0301tat       Failed", lines[2]);
    }

    [Fact]
    public void Text_from_elsewhere_cannot_steer_the_terminal()
    {
        var table = new Table(new("NAME"), new("DESCRIPTION", 1, 8));
        table.Add("a", "\e[2J\e]0;owned\a line\nbreak\u202Etxt \u0085");
        var lines = table.Render(int.MaxValue, Paint.None).ToList();
        Assert.Equal(2, lines.Count);
        Assert.DoesNotContain(lines[1].EnumerateRunes(), rune => Rune.IsControl(rune) || rune.Value == 0x202E);
    }

    [Fact]
    public void Colours_are_on_states_only_and_take_no_room()
    {
        var plain = Pods().Render(80, Paint.None).ToList();
        var colourful = Pods().Render(80, new Paint(true)).ToList();
        Assert.Contains("\e[32mConnected", colourful[1], StringComparison.Ordinal);
        Assert.Contains("\e[31mUnreachable", colourful[2], StringComparison.Ordinal);
        Assert.Equal(plain[2], colourful[2].Replace("\e[31m", "", StringComparison.Ordinal).Replace("\e[0m", "", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1024, "1.00 KiB")]
    [InlineData(1_258_291, "1.20 MiB")]
    [InlineData(12_884_901_888, "12.0 GiB")]
    [InlineData(1_099_511_627_776, "1.00 TiB")]
    public void Sizes_have_three_digits(long bytes, string shown) => Assert.Equal(shown, Shown.Bytes(bytes));

    [Theory]
    [InlineData("partiallyAvailable", "Partially Available")]
    [InlineData("RetryPending", "Retry Pending")]
    [InlineData("available", "Available")]
    [InlineData("", "")]
    public void States_are_shown_as_words(string wire, string shown) => Assert.Equal(shown, Shown.State(wire));

    private static string Rendered(Table table, int width) => string.Join('\n', table.Render(width, Paint.None));
}
