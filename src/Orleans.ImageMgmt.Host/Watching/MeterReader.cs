using System.Diagnostics.Metrics;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// Listens to meters and keeps what their instruments say, so that a scrape can be answered. Counters and histograms are added up since the start; observable instruments are asked
/// at each reading. An instrument has at most <see cref="SeriesLimit"/> sets of attributes; what comes beyond them is added to one set that says so.
/// </summary>
internal sealed class MeterReader : IDisposable
{
    /// <summary>The same limit and the same mark as in the SDK of OpenTelemetry: a mistake in an attribute must not fill the memory of this process and of the metrics server.</summary>
    public const int SeriesLimit = 2_000;

    public const string OverflowLabels = "{otel_metric_overflow=\"true\"}";

    private readonly Lock writing = new();
    private readonly Lock gate = new();
    private readonly Dictionary<Instrument, Series> known = [];
    private readonly MeterListener listener;

    /// <param name="isWanted">Which meters are listened to.</param>
    public MeterReader(Func<Meter, bool> isWanted)
    {
        listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (isWanted(instrument.Meter))
                {
                    var series = new Series(instrument);
                    lock (gate)
                    {
                        known[instrument] = series;
                    }

                    self.EnableMeasurementEvents(instrument, series);
                }
            },
            MeasurementsCompleted = (instrument, _) =>
            {
                lock (gate)
                {
                    known.Remove(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<byte>((_, value, tags, state) => ((Series)state!).Add(value, tags));
        listener.SetMeasurementEventCallback<short>((_, value, tags, state) => ((Series)state!).Add(value, tags));
        listener.SetMeasurementEventCallback<int>((_, value, tags, state) => ((Series)state!).Add(value, tags));
        listener.SetMeasurementEventCallback<long>((_, value, tags, state) => ((Series)state!).Add(value, tags));
        listener.SetMeasurementEventCallback<float>((_, value, tags, state) => ((Series)state!).Add(value, tags));
        listener.SetMeasurementEventCallback<double>((_, value, tags, state) => ((Series)state!).Add(value, tags));
        listener.SetMeasurementEventCallback<decimal>((_, value, tags, state) => ((Series)state!).Add((double)value, tags));
        listener.Start();
    }

    /// <summary>Every instrument that is listened to now.</summary>
    public IReadOnlyList<Instrument> Instruments
    {
        get
        {
            lock (gate)
            {
                return [.. known.Keys];
            }
        }
    }

    /// <summary>Asks the observable instruments and writes all families that have samples, by name.</summary>
    /// <returns>Faults of instruments that could not be asked; the others are written all the same.</returns>
    public IReadOnlyList<Exception> Write(PrometheusText text)
    {
        lock (writing)
        {
            // Instruments may be made and go while others are asked, so their lock is not held meanwhile.
            List<Series> all;
            lock (gate)
            {
                all = [.. known.Values];
            }

            all.Where(s => s.IsObserved).ToList().ForEach(s => s.Forget());
            var faults = Ask();

            // Two meters that have an instrument in common are one family.
            foreach (var family in all.GroupBy(s => s.Family, StringComparer.Ordinal).OrderBy(f => f.Key, StringComparer.Ordinal))
            {
                var first = family.First();
                var alike = family.Where(s => s.Type == first.Type && !s.IsEmpty).ToList();
                if (alike.Count > 0)
                {
                    text.Family(first.Family, first.Type, first.Help);
                    var seen = new HashSet<string>(StringComparer.Ordinal);
                    alike.ForEach(series => series.Write(text, seen));
                }
            }

            return faults;
        }
    }

    private IReadOnlyList<Exception> Ask()
    {
        try
        {
            listener.RecordObservableInstruments();
            return [];
        }
        catch (AggregateException problems)
        {
            return problems.InnerExceptions;
        }
    }

    public void Dispose() => listener.Dispose();

    /// <summary>What one instrument has said, by its attributes.</summary>
    private sealed class Series
    {
        /// <summary>What the SDK of OpenTelemetry takes where an instrument gives no advice.</summary>
        private static readonly double[] UsualBounds = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];

        private readonly Lock gate = new();
        private readonly Dictionary<string, Value> values = new(StringComparer.Ordinal);
        private readonly bool isHistogram;
        private readonly bool isLast;
        private readonly double[] bounds;

        public Series(Instrument instrument)
        {
            var kind = instrument.GetType().Name.Split('`')[0];
            isHistogram = kind == nameof(Histogram<>);
            IsObserved = instrument.IsObservable;
            isLast = IsObserved || kind == nameof(Gauge<>);
            var isCounter = kind is nameof(Counter<>) or nameof(ObservableCounter<>);
            Type = isHistogram ? "histogram" : isCounter ? "counter" : "gauge";
            Family = PrometheusText.NameOf(instrument.Name, instrument.Unit, isCounter);
            Help = instrument.Description is { Length: > 0 } said ? said.EndsWith('.') ? said : said + "." : $"{instrument.Name} of {instrument.Meter.Name}.";
            bounds = !isHistogram ? [] : instrument switch
            {
                Histogram<double> { Advice.HistogramBucketBoundaries: { } given } => [.. given],
                Histogram<long> { Advice.HistogramBucketBoundaries: { } given } => [.. given.Select(b => (double)b)],
                Histogram<int> { Advice.HistogramBucketBoundaries: { } given } => [.. given.Select(b => (double)b)],
                _ => UsualBounds,
            };
        }

        public string Family { get; }

        public string Type { get; }

        public string Help { get; }

        public bool IsObserved { get; }

        public bool IsEmpty
        {
            get
            {
                lock (gate)
                {
                    return values.Count == 0;
                }
            }
        }

        public void Forget()
        {
            lock (gate)
            {
                values.Clear();
            }
        }

        public void Add(double measured, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var labels = LabelsOf(tags);
            lock (gate)
            {
                if (!values.TryGetValue(labels, out var value))
                {
                    labels = values.Count < SeriesLimit ? labels : OverflowLabels;
                    if (!values.TryGetValue(labels, out value))
                    {
                        values[labels] = value = new Value { Buckets = isHistogram ? new long[bounds.Length + 1] : [] };
                    }
                }

                value.Sum = isLast && labels != OverflowLabels ? measured : value.Sum + measured;
                if (isHistogram)
                {
                    var at = Array.BinarySearch(bounds, measured);
                    value.Buckets[at >= 0 ? at : ~at]++;
                }
            }
        }

        /// <param name="text">Gets the samples.</param>
        /// <param name="seen">Labels that stand there already: a series is told once.</param>
        public void Write(PrometheusText text, HashSet<string> seen)
        {
            lock (gate)
            {
                foreach (var (labels, value) in values.Where(v => seen.Add(v.Key)).OrderBy(v => v.Key, StringComparer.Ordinal))
                {
                    _ = isHistogram ? text.Histogram(Family, labels, bounds, value.Buckets, value.Sum) : text.Sample(Family, labels, value.Sum);
                }
            }
        }

        private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (tags.IsEmpty)
            {
                return "";
            }

            var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
            foreach (var (name, value) in tags)
            {
                labels[PrometheusText.LabelOf(name)] = value switch
                {
                    bool yes => yes ? "true" : "false",
                    IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
                    _ => value?.ToString() ?? "",
                };
            }

            return PrometheusText.Labels([.. labels.Select(l => (l.Key, l.Value))]);
        }

        private sealed class Value
        {
            public double Sum { get; set; }

            public required long[] Buckets { get; init; }
        }
    }
}
