using System.Diagnostics;
using Orleans.ImageMgmt.Domain;
using Span = System.Diagnostics.Activity;

namespace Orleans.ImageMgmt.Grains;

/// <summary>
/// Parts of traces that Orleans does not make: steps of grains that come from a timer, work at a pod, writes to the store. While nobody listens none is made, and nothing
/// of a trace is stored. A trace goes on through stored records by its W3C <c>traceparent</c> (https://www.w3.org/TR/trace-context/).
/// </summary>
public static class Spans
{
    /// <summary>The source's name, for whoever listens.</summary>
    public const string Name = "Orleans.ImageMgmt";

    private static readonly ActivitySource Source = new(Name);

    /// <summary>How what happens now goes on elsewhere or later; null when it is not traced.</summary>
    public static string? Here => Span.Current is { Recorded: true, IdFormat: ActivityIdFormat.W3C } current ? current.Id : null;

    /// <summary>A step that belongs to the trace of an earlier request; null when there is none.</summary>
    internal static Span? GoOn(string name, string? trace) =>
        ContextOf(trace) is { } parent ? Source.StartActivity(name, ActivityKind.Internal, parent) : null;

    /// <summary>Work at a pod. The first try is a part of the request's trace; a later one, and one that goes on after a restart, is a trace of its own with a link to it: it
    /// may begin hours after the request has been shown and kept.</summary>
    internal static Span? Transfer(TransferJob job, string step)
    {
        if (ContextOf(job.Copy.Trace) is not { } request)
        {
            return null;
        }

        var span = job.IsResumed || job.Copy.Tries > 1
            ? Source.StartActivity($"imgmt.transfer {step}", ActivityKind.Internal, default(ActivityContext), links: [new ActivityLink(request)])
            : Source.StartActivity($"imgmt.transfer {step}", ActivityKind.Internal, request);
        return span?.SetTag("imgmt.pod.name", job.Spec.Name.Value).SetTag("imgmt.version.id", job.Copy.Version.Value).SetTag("imgmt.copy.attempt", job.Copy.Attempt);
    }

    /// <summary>A write to the store, from the queue to the answer; only inside a trace.</summary>
    /// <param name="system">As <c>db.system.name</c> of the semantic conventions.</param>
    /// <param name="rows">Rows of this write.</param>
    internal static Span? Write(string system, int rows) => Here is null
        ? null
        : Source.StartActivity("imgmt.store write", ActivityKind.Client)?.SetTag("db.system.name", system).SetTag("db.operation.batch.size", rows);

    internal static void Fail(this Span? span, ConnectorFault? fault)
    {
        if (fault is not null)
        {
            span?.SetTag("error.type", SiloMeter.Word(fault.Cause)).SetStatus(ActivityStatusCode.Error, fault.Detail);
        }
    }

    private static ActivityContext? ContextOf(string? trace) =>
        trace is not null && Source.HasListeners() && ActivityContext.TryParse(trace, null, isRemote: true, out var context) ? context : null;
}
