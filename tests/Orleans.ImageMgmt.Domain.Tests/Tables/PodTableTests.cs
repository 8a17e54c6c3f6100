using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: nobody changes what a pod does in any state without reading it. Method: every state × every command as committed text.</summary>
public sealed class PodTableTests
{
    [Fact]
    public void The_pod_machine_does_what_its_table_says()
    {
        var pod = PodMachine.Initial(Samples.Paris) with { Spec = Samples.SpecOf(Samples.Paris), ProbedAt = Samples.Now.AddSeconds(-30) };
        List<Sample<Pod>> states =
        [
            new("Disconnected, never seen", PodMachine.Initial(Samples.Paris)),
            new("Disconnected", pod),
            new("Connecting", pod with { State = PodState.Connecting, ProbedAt = null }),
            new("Connected", pod with { State = PodState.Connected }),
            new("Connected, one probe failed", pod with { State = PodState.Connected, FailedProbes = 1, Fault = Samples.Passing }),
            new("Unreachable", pod with { State = PodState.Unreachable, FailedProbes = 2, Fault = Samples.Passing }),
            new("Draining", pod with { State = PodState.Draining }),
            new("Draining, probes failed", pod with { State = PodState.Draining, FailedProbes = 3, Fault = Samples.Passing }),
        ];
        List<Sample<PodCommand>> commands =
        [
            new("Connect, same specification", new PodCommand.Connect(Samples.SpecOf(Samples.Paris))),
            new("Connect, more slots", new PodCommand.Connect(Samples.SpecOf(Samples.Paris, 4))),
            new("Connect, other family", new PodCommand.Connect(Samples.SpecOf(Samples.Paris, 2, "vsphere"))),
            new("Connect, other name", new PodCommand.Connect(Samples.SpecOf(Samples.Oslo))),
            new("Connect, no slots", new PodCommand.Connect(Samples.SpecOf(Samples.Paris, 0))),
            new("Relabel, site=paris", new PodCommand.Relabel(new Dictionary<string, string> { ["site"] = "paris" })),
            new("Relabel, same labels", new PodCommand.Relabel(Samples.SpecOf(Samples.Paris).Labels)),
            new("Relabel, too long", new PodCommand.Relabel(new Dictionary<string, string> { ["site"] = new string('x', 129) })),
            new("Cap, slow at the office", new PodCommand.Cap(new PodCaps { In = "08:00-18:00 mon-fri 20Mbit/s; else 200Mbit/s", TimeZone = "Europe/Paris" })),
            new("Cap, as it is", new PodCommand.Cap(PodCaps.None)),
            new("Cap, two mistakes", new PodCommand.Cap(new PodCaps { Out = "fast", Link = "wan" })),
            new("Probed", new PodCommand.Probed()),
            new("ProbeFailed", new PodCommand.ProbeFailed(Samples.Passing)),
            new("Drain", new PodCommand.Drain()),
            new("Disconnect, idle", new PodCommand.Disconnect(0)),
            new("Disconnect, busy", new PodCommand.Disconnect(3)),
        ];
        MachineTable.MustReachAll(states.Select(s => s.Value.State));
        var machine = new Machine<Pod, PodCommand, PodEvent, PodStep>(PodMachine.Decide,
            (p, e) => PodMachine.Evolve(p, e, Samples.Now, ProbePolicy.Default), p => PodMachine.Next(p, Samples.Now, ProbePolicy.Default));
        Golden.Check("pod", MachineTable.Write("pod", machine, states, commands));
    }
}
