using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: the expected time is what the rate and the calendar give, and nothing is foretold that is not known.</summary>
public sealed class ForecastTests
{
    [Fact]
    public void Bytes_take_what_the_lower_of_the_measured_rate_and_the_cap_gives()
    {
        Assert.Equal(TimeSpan.FromSeconds(100), Forecast.TimeFor(1_000_000, Samples.Now, 10_000, _ => null));
        Assert.Equal(TimeSpan.FromSeconds(1_000), Forecast.TimeFor(1_000_000, Samples.Now, 10_000, _ => 1_000));
        Assert.Equal(TimeSpan.FromSeconds(100), Forecast.TimeFor(1_000_000, Samples.Now, null, _ => 10_000));
        Assert.Null(Forecast.TimeFor(1_000_000, Samples.Now, null, _ => null));
        Assert.Null(Forecast.TimeFor(long.MaxValue, Samples.Now, 10_000, _ => null));
        Assert.Equal(TimeSpan.Zero, Forecast.TimeFor(0, Samples.Now, null, _ => null));
    }

    [Fact]
    public void A_transfer_that_reaches_into_the_night_goes_on_at_the_nights_rate()
    {
        Assert.True(RateCalendar.TryParse("08:00-18:00 1MB/s; else 10MB/s", out var calendar, out _));
        var start = new DateTimeOffset(2026, 1, 5, 17, 59, 30, TimeSpan.Zero);
        Assert.Equal(TimeSpan.FromSeconds(30 + 27), Forecast.TimeFor(300_000_000, start, null, at => calendar.RateAt(at, TimeZoneInfo.Utc)));
    }

    [Fact]
    public void The_average_stays_between_what_was_and_what_is_and_follows_it() => Gen.Select(Gen.Long[1, 1L << 40], Gen.Long[1, 1L << 40]).Sample((before, measured) =>
    {
        Assert.InRange(Forecast.Average(before, measured), Math.Min(before, measured) - 1, Math.Max(before, measured));
        Assert.Equal(measured, Forecast.Average(null, measured));
    }, iter: Sequences.Runs, threads: 1);
}
