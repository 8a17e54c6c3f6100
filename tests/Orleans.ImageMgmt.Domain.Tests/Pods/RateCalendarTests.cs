using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: a cap is what the pod's wall clock says, on the days with a change of summer time too, and a text that means nothing is refused with its reason.</summary>
public sealed class RateCalendarTests
{
    private const long Slow = 2_500_000;
    private const long Fast = 25_000_000;
    private static readonly TimeZoneInfo berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    [Theory]
    [InlineData("2026-01-05T06:59:59Z", Fast)] // 07:59:59 on a Monday
    [InlineData("2026-01-05T07:00:00Z", Slow)]
    [InlineData("2026-01-05T16:59:59Z", Slow)]
    [InlineData("2026-01-05T17:00:00Z", Fast)]
    [InlineData("2026-01-10T12:00:00Z", Fast)] // a Saturday
    [InlineData("2026-07-06T06:00:00Z", Slow)] // 08:00 in summer
    [InlineData("2026-07-06T05:59:59Z", Fast)]
    public void Office_hours_are_slow_and_the_rest_is_fast(string now, long expected) =>
        Assert.Equal(expected, Read("08:00-18:00 mon-fri 20Mbit/s; else 200Mbit/s").RateAt(DateTimeOffset.Parse(now, null), berlin));

    [Fact]
    public void The_night_of_the_change_has_an_hour_less_in_spring_and_one_more_in_autumn()
    {
        var nights = Read("01:00-04:00 20Mbit/s; else 200Mbit/s");
        Assert.Equal(TimeSpan.FromHours(2), SlowTime(nights, "2026-03-28T12:00:00Z"));
        Assert.Equal(TimeSpan.FromHours(4), SlowTime(nights, "2026-10-24T12:00:00Z"));
        Assert.Equal(TimeSpan.FromHours(3), SlowTime(nights, "2026-06-10T12:00:00Z"));
    }

    [Fact]
    public void A_range_over_midnight_belongs_to_the_day_on_which_it_began()
    {
        var calendar = Read("22:00-06:00 fri 20Mbit/s");
        Assert.Equal(Slow, At(calendar, "2026-01-09T22:00:00Z"));
        Assert.Equal(Slow, At(calendar, "2026-01-10T05:59:00Z")); // Saturday morning
        Assert.Null(At(calendar, "2026-01-10T06:00:00Z"));
        Assert.Null(At(calendar, "2026-01-10T22:30:00Z"));
        Assert.Null(At(calendar, "2026-01-09T05:00:00Z"));
    }

    [Theory]
    [InlineData("20Mbit/s", 2_500_000)]
    [InlineData("2.5MB/s", 2_500_000)]
    [InlineData("4MiB/s", 4 << 20)]
    [InlineData("256kbit/s", 32_000)]
    [InlineData("1Gbit/s", 125_000_000)]
    public void A_rate_alone_counts_at_every_time(string text, long expected)
    {
        var calendar = Read(text);
        Assert.True(calendar.IsConstant);
        Assert.Equal(expected, At(calendar, "2026-01-09T22:00:00Z"));
        Assert.Equal(text, calendar.ToString());
    }

    [Fact]
    public void Days_may_wrap_around_and_the_first_rule_that_fits_counts()
    {
        var calendar = Read("sat-mon,wed unlimited;   12:00-13:00 1Gbit/s; else 20Mbit/s");
        Assert.Equal("sat-mon,wed unlimited; 12:00-13:00 1Gbit/s; else 20Mbit/s", calendar.ToString());
        Assert.Null(At(calendar, "2026-01-04T12:00:00Z")); // Sunday
        Assert.Null(At(calendar, "2026-01-05T12:00:00Z"));
        Assert.Equal(125_000_000, At(calendar, "2026-01-06T12:30:00Z"));
        Assert.Equal(Slow, At(calendar, "2026-01-06T13:00:00Z"));
        Assert.Null(At(calendar, "2026-01-07T13:00:00Z"));
    }

    [Theory]
    [InlineData("", "does not end with a rate")]
    [InlineData("fast", "does not end with a rate")]
    [InlineData("20Mbit", "does not end with a rate")]
    [InlineData("-5Mbit/s", "does not end with a rate")]
    [InlineData("1kbit/s", "out of reach")]
    [InlineData("99Tbit/s", "out of reach")]
    [InlineData("08:00-08:00 20Mbit/s", "neither a time")]
    [InlineData("08:00-25:00 20Mbit/s", "neither a time")]
    [InlineData("8-18 20Mbit/s", "neither a time")]
    [InlineData("08:00-18:00 workdays 20Mbit/s", "'workdays'")]
    [InlineData("20Mbit/s; else 200Mbit/s", "never reached")]
    [InlineData("else 20Mbit/s; 08:00-09:00 200Mbit/s", "never reached")]
    [InlineData("08:00-18:00 20Mbit/s;", "does not end with a rate")]
    public void What_means_nothing_is_refused_with_its_reason(string text, string reason)
    {
        Assert.False(RateCalendar.TryParse(text, out _, out var fault));
        Assert.Contains(reason, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_of_a_pods_caps_are_told_at_once()
    {
        var faults = PodCaps.FaultsOf(new PodCaps { In = "x", Out = "08:00 20Mbit/s", Link = "a b" });
        Assert.Equal([nameof(PodCaps.In), nameof(PodCaps.Out), nameof(PodCaps.Link), nameof(PodCaps.LinkRate)], faults.Select(f => f.Field));
    }

    private static TimeSpan SlowTime(RateCalendar calendar, string noon)
    {
        var from = DateTimeOffset.Parse(noon, null);
        return TimeSpan.FromMinutes(Enumerable.Range(0, 24 * 60).Count(minute => calendar.RateAt(from.AddMinutes(minute), berlin) == Slow));
    }

    private static long? At(RateCalendar calendar, string now) => calendar.RateAt(DateTimeOffset.Parse(now, null), TimeZoneInfo.Utc);

    private static RateCalendar Read(string text)
    {
        Assert.True(RateCalendar.TryParse(text, out var calendar, out var fault), fault);
        return calendar;
    }
}
