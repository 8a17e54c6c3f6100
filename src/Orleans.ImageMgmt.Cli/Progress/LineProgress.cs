using System.Globalization;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// Progress for logs and pipes: one line for each change, no control characters. Beyond twenty pods single pods are told only when they fail, and the
/// others are counted in steps of five percent.
/// </summary>
internal sealed class LineProgress(Action<string> say)
{
    private const int Steps = 20;
    private readonly Dictionary<string, string> shown = [];
    private OperationState? state;
    private int step = -1;
    private int failuresTold;
    private string? note;

    public void Update(Picture picture)
    {
        if (note != picture.Note)
        {
            note = picture.Note;
            say(Plain.Line(note ?? "the server answers again"));
        }

        if (state != picture.Operation.State && !picture.Operation.IsEnded)
        {
            say(Plain.Line($"{picture.Verb} {picture.Subject}: {Shown.State<OperationState>(picture.Operation.State)}{Whereto(picture)}"));
        }

        state = picture.Operation.State;
        if (picture.IsFolded)
        {
            Fold(picture);
            return;
        }

        foreach (var target in picture.Targets)
        {
            var line = Describe(target);
            if (!shown.TryGetValue(target.Pod, out var before) || before != line)
            {
                shown[target.Pod] = line;
                say(Plain.Line($"{target.Pod}: {line}"));
            }
        }
    }

    private static string Whereto(Picture picture) => picture.Operation.Kind == OperationKind.Import || picture.Count == 0 ? ""
        : string.Create(CultureInfo.InvariantCulture, $", {picture.Count} {(picture.Count == 1 ? "pod" : "pods")}");

    private static string Describe(TargetResource target)
    {
        var word = Picture.StateOf(target);
        return target switch
        {
            { State: CopyState.RetryPending, Outcome: TargetOutcome.Open, Fault: { } fault } => $"{word} after try {target.Tries}: {fault.Code}: {fault.Detail}",
            { Outcome: TargetOutcome.Failed, Fault: { } fault } => $"{word}: {fault.Code}: {fault.Detail}",
            _ => word,
        };
    }

    private void Fold(Picture picture)
    {
        foreach (var target in picture.Targets.Where(target => target.Outcome == TargetOutcome.Failed && failuresTold < Picture.OneByOne))
        {
            if (shown.TryAdd(target.Pod, "Failed"))
            {
                failuresTold++;
                say(Plain.Line($"{target.Pod}: {Describe(target)}"));
            }
        }

        var now = picture.Count == 0 ? 0 : Steps * picture.Ended / picture.Count;
        if (now != step)
        {
            step = now;
            say(Counts(picture));
        }
    }

    /// <summary><c>120 of 500 pods available, 3 failed, 377 open</c>.</summary>
    public static string Counts(Picture picture)
    {
        var totals = picture.Operation.Targets ?? new TargetTotals { All = picture.Count, Open = picture.Count, Available = 0, Failed = 0, Cancelled = 0 };
        var done = picture.Operation.Kind == OperationKind.Delete ? "deleted" : "available";
        var parts = new List<string> { string.Create(CultureInfo.InvariantCulture, $"{totals.Available} of {totals.All} pods {done}") };
        parts.AddRange(new[] { (totals.Failed, "failed"), (totals.Cancelled, "cancelled"), (totals.Open, "open") }
            .Where(part => part.Item1 > 0).Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Item1} {part.Item2}")));
        return string.Join(", ", parts);
    }
}
