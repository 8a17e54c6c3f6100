using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>What a publish would take, pod by pod.</summary>
internal static class PlanTable
{
    public static string NameOf(PodPlanResource pod) => $"plan/{pod.Pod}";

    public static Table Of(IReadOnlyList<PodPlanResource> pods)
    {
        var table = new Table(new("POD", 0, 12), new("SEND", 0, IsNumber: true), new("THERE", 2, IsNumber: true), new("ROOM NEEDED", 3, IsNumber: true),
            new("FREE", 4, IsNumber: true), new("RATE", 5, IsNumber: true), new("TIME", 0, IsNumber: true), new("NOTE", 1, 24));
        foreach (var pod in pods)
        {
            table.Add(pod.Pod, pod.RefusalCode is null ? Bytes(pod.SendBytes) : "-", Bytes(pod.StagedBytes + pod.ReusedBytes), Bytes(pod.RoomNeededBytes), Shown.Bytes(pod.RoomFreeBytes),
                Shown.Rate(pod.BytesPerSecond), pod.ExpectedSeconds is { } seconds ? Shown.Clock(TimeSpan.FromSeconds(seconds)) : "", Note(pod));
        }

        return table;
    }

    /// <summary>The last line below the table.</summary>
    public static string Sum(PublishPlanResource plan)
    {
        var refused = plan.Pods.Count(p => p.RefusalCode is not null);
        var unknown = plan.Pods.Count(p => p.Unknown is not null);
        return $"{Shown.Bytes(plan.SendBytes)} would travel to {Shown.Count(plan.Pods.Count - refused, "pod")}"
            + $"{(refused > 0 ? $"; {refused} would get nothing" : "")}{(unknown > 0 ? $"; of {unknown} it is not known" : "")}. Nothing was changed.";
    }

    private static string? Bytes(long? bytes) => bytes is 0 ? "0" : Shown.Bytes(bytes);

    private static string Note(PodPlanResource pod) => pod switch
    {
        { Refusal: { } refusal } => refusal,
        { Unknown: { } unknown } => $"unknown: {unknown}",
        { IsThere: true } => "is there",
        _ => "",
    };
}
