namespace Orleans.ImageMgmt.Domain;

/// <summary>How long bytes take at a measured rate under caps that change with the time of day.</summary>
public static class Forecast
{
    /// <summary>Beyond it a forecast is no more than a guess.</summary>
    public static readonly TimeSpan Horizon = TimeSpan.FromDays(7);

    /// <summary>A finished transfer moves the average by this part: the last handful count.</summary>
    private const double Weight = 0.3;

    private static readonly TimeSpan step = TimeSpan.FromMinutes(1);

    /// <summary>The exponential average of a pod's rate after one more finished transfer.</summary>
    /// <param name="before">The average so far; null before the first.</param>
    /// <param name="measured">Bytes a second of the transfer.</param>
    /// <returns>The new average.</returns>
    public static long Average(long? before, long measured) => before is { } known ? (long)(known + ((measured - known) * Weight)) : measured;

    /// <summary>How long it takes; null when no rate is known or it would not be done within <see cref="Horizon"/>.</summary>
    /// <param name="bytes">How many have to travel.</param>
    /// <param name="start">When they begin.</param>
    /// <param name="measured">Bytes a second that were measured without caps; null: only caps count.</param>
    /// <param name="capAt">Bytes a second that may travel at a moment; null: no cap.</param>
    /// <returns>The time, or null.</returns>
    public static TimeSpan? TimeFor(long bytes, DateTimeOffset start, long? measured, Func<DateTimeOffset, long?> capAt)
    {
        var left = (double)bytes;
        for (var at = start; at - start < Horizon;)
        {
            if (left <= 0)
            {
                return at - start;
            }

            if (Min(measured, capAt(at)) is not { } rate)
            {
                return null;
            }

            // Calendars change at whole minutes.
            var next = new DateTimeOffset(at.Ticks - (at.Ticks % step.Ticks), at.Offset) + step;
            var moved = rate * (next - at).TotalSeconds;
            if (moved >= left)
            {
                return at - start + TimeSpan.FromSeconds(left / rate);
            }

            left -= moved;
            at = next;
        }

        return null;
    }

    private static long? Min(long? a, long? b) => a is null ? b : b is null ? a : Math.Min(a.Value, b.Value);
}
