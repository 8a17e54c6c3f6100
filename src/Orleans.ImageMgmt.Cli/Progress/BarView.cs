using System.Globalization;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>A stretch of a line in one colour.</summary>
internal readonly record struct Piece(string Text, StateKind Kind = StateKind.None, bool IsDim = false);

/// <summary>
/// What the live display shows of a picture: one bar per pod and a total with rate and remaining time; counts instead of bars where there are too many
/// pods for the screen. A pure function of the picture and the size.
/// </summary>
internal static class BarView
{
    private const int NameColumns = 24;
    private const int StateColumns = 13;
    private const int LeastBar = 8;
    private const int WidestBar = 40;

    /// <summary>Lines around the pods: the heading, the total, a note, and the cursor's.</summary>
    private const int Frame = 4;

    public static IReadOnlyList<IReadOnlyList<Piece>> Lines(Picture picture, int width, int height)
    {
        width = Math.Max(20, width - 1); // a full line would make some terminals wrap
        var lines = new List<IReadOnlyList<Piece>> { Heading(picture, width) };
        if (picture.IsFolded || picture.Count > height - Frame)
        {
            lines.AddRange(Counts(picture, width));
        }
        else
        {
            var name = Math.Min(NameColumns, picture.Targets.Select(target => Plain.Width(target.Pod)).Append("total".Length).Max());
            lines.AddRange(picture.Targets.Select(target => Row(new Bar(target.Pod, Picture.StateOf(target), Picture.ShareOf(target),
                RateOf(target), Left(target)), name, width)));
        }

        lines.Add(Total(picture, width));
        if (picture.Note is { } note)
        {
            lines.Add([new(Plain.Fit($"  {note}", width), StateKind.Bad)]);
        }

        return lines;
    }

    private static double? RateOf(TargetResource target) => target is { Outcome: TargetOutcome.Open, Progress: { } progress } ? progress.BytesPerSecond : null;

    private static string Left(TargetResource target) => target switch
    {
        { Outcome: TargetOutcome.Open, State: CopyState.RetryPending } => target.Fault?.Code ?? "",
        { Outcome: TargetOutcome.Failed } => target.Fault?.Code ?? "",
        { Outcome: TargetOutcome.Open, Progress.RemainingSeconds: { } seconds } => Shown.Clock(TimeSpan.FromSeconds(seconds)),
        _ => "",
    };

    private static List<Piece> Heading(Picture picture, int width)
    {
        var state = Shown.State<OperationState>(picture.Operation.State);
        var text = $"{picture.Verb} {picture.Subject}  ";
        var left = Math.Max(0, width - Plain.Width(text) - state.Length - 2);
        return [new(Plain.Fit(Plain.Line(text), Math.Max(1, width - state.Length))), new(state, Paint.KindOf(state)), new("  " + Plain.Fit(picture.Operation.Id, left), IsDim: true)];
    }

    private static List<Piece> Total(Picture picture, int width)
    {
        var ended = string.Create(CultureInfo.InvariantCulture, $"{picture.Ended} of {picture.Count}");
        var name = picture.IsFolded ? "total".Length
            : Math.Min(NameColumns, picture.Targets.Select(target => Plain.Width(target.Pod)).Append("total".Length).Max());
        return Row(new Bar("total", ended, picture.Share, picture.Rate, Shown.Clock(picture.Remaining)), name, width);
    }

    private static IEnumerable<IReadOnlyList<Piece>> Counts(Picture picture, int width) =>
        from target in picture.Targets
        group target by Picture.StateOf(target) into same
        orderby same.Key is "Failed" ? 2 : Paint.KindOf(same.Key) == StateKind.Good ? 0 : 1, same.Key
        let codes = same.Where(target => target.Fault is not null && target.Outcome != TargetOutcome.Available)
            .GroupBy(target => target.Fault!.Code).OrderByDescending(code => code.Count()).Select(code => $"{code.Key} {code.Count()}")
        let count = same.Count().ToString("N0", CultureInfo.InvariantCulture)
        select (IReadOnlyList<Piece>)
        [
            new("  " + Plain.Pad(same.Key, StateColumns), Paint.KindOf(same.Key)),
            new(Plain.Pad(count, 7, toTheRight: true)),
            new("  " + Plain.Fit(string.Join(", ", codes), Math.Max(0, width - StateColumns - 12)), IsDim: true),
        ];

    /// <summary>Name, state, bar, percent, rate, remaining time; on a narrow screen the rate goes first, then the bar.</summary>
    private static List<Piece> Row(Bar bar, int name, int width)
    {
        var state = Plain.Pad(bar.State, StateColumns);
        var percent = Math.Floor(bar.Share * 100).ToString("0", CultureInfo.InvariantCulture).PadLeft(4) + "%";
        var rate = Plain.Pad(Shown.Rate(bar.Rate), 12, toTheRight: true);
        var left = bar.Left;
        var used = 2 + name + 2 + state.Length + 1 + percent.Length + rate.Length + 2 + 8;
        if (width - used < LeastBar)
        {
            rate = "";
            used -= 12;
        }

        var room = Math.Min(WidestBar, width - used);
        var pieces = new List<Piece> { new("  " + Plain.Pad(Plain.Line(bar.Name), name) + "  "), new(state + " ", Paint.KindOf(bar.State)) };
        if (room >= LeastBar)
        {
            var full = (int)Math.Floor(room * Math.Clamp(bar.Share, 0, 1));
            pieces.Add(new(new string('━', full), Paint.KindOf(bar.State) == StateKind.None ? StateKind.Good : Paint.KindOf(bar.State)));
            pieces.Add(new(new string('─', room - full), IsDim: true));
        }

        var isFault = bar.Rate is null && left.Length > 0;
        pieces.Add(new(percent + (isFault ? "" : rate)));
        var taken = pieces.Sum(piece => Plain.Width(piece.Text));
        if (left.Length > 0 && taken + 3 < width)
        {
            pieces.Add(new("  " + Plain.Fit(left, width - taken - 2), IsDim: true));
        }

        return taken <= width ? pieces : [new(Plain.Fit(string.Concat(pieces.Select(piece => piece.Text)), width))];
    }

    private readonly record struct Bar(string Name, string State, double Share, double? Rate, string Left);
}
