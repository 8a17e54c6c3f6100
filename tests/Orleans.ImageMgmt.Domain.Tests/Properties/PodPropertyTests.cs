using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: a pod never does more than it may; an image's status follows from its versions. Method: random sequences.</summary>
public sealed class PodPropertyTests
{
    private static readonly Gen<PodCommand> podCommand = Gen.OneOf<PodCommand>(
        Gen.Int[0, 17].Select(PodCommand (slots) => new PodCommand.Connect(Samples.SpecOf(Samples.Paris, slots))),
        Sequences.AnyOf<PodCommand>(new PodCommand.Probed(), new PodCommand.ProbeFailed(Samples.Passing), new PodCommand.Drain()),
        Gen.Int[0, 1].Select(PodCommand (moving) => new PodCommand.Disconnect(moving)));

    private static readonly Gen<Copy> movingCopy = Gen.Select(Gen.Int[0, 30], Gen.Enum<CopyState>(), Gen.Int[0, 600], Gen.Int[-60, 60]).Select((n, state, wanted, retry) =>
        CopyMachine.Initial(new VersionId(Samples.Id.Image, new VersionName($"1.{n}")), Samples.Paris) with
        {
            State = state, WantedAt = Samples.Start.AddSeconds(wanted), RetryAt = state == CopyState.RetryPending ? Samples.Now.AddSeconds(retry) : null,
            Content = Samples.Content, From = Samples.Source, Source = Samples.Disk,
        });

    [Fact]
    public void Slots_are_never_exceeded_and_the_oldest_wish_comes_first() =>
        Gen.Select(Gen.Int[1, Limits.SlotsPerPod], movingCopy.Array[0, 30], Gen.Enum<PodState>()).Sample((slots, drawn, state) =>
        {
            var copies = drawn.DistinctBy(c => c.Version).ToList();
            var pod = PodMachine.Initial(Samples.Paris) with { State = state, Spec = Samples.SpecOf(Samples.Paris, slots) };
            var admitted = PodMachine.Admit(pod, copies, Samples.Now, RetryPolicy.Default);
            var holding = copies.Count(c => c.HoldsSlot);
            Assert.True(admitted.Count == 0 || holding + admitted.Count <= slots);
            Assert.True(pod.Works || admitted.Count == 0);
            var waiting = copies.Where(c => CopyMachine.Next(c, Samples.Now, RetryPolicy.Default) is CopyStep.AwaitSlot).ToList();
            Assert.Equal(pod.Works ? Math.Min(Math.Max(slots - holding, 0), waiting.Count) : 0, admitted.Count);
            var latest = waiting.Where(c => admitted.Contains(c.Version)).Select(c => c.WantedAt).DefaultIfEmpty().Max();
            Assert.All(waiting.Where(c => !admitted.Contains(c.Version) && admitted.Count > 0), c => Assert.True(c.WantedAt >= latest));
        }, iter: Sequences.Runs, threads: 1);

    [Fact]
    public void A_pod_survives_any_sequence_and_any_restart() => podCommand.Array[1, Sequences.Length].Sample(steps =>
    {
        var pod = PodMachine.Initial(Samples.Paris);
        foreach (var step in steps)
        {
            var decision = PodMachine.Decide(pod, step);
            pod = decision.Events.Aggregate(pod, (p, e) => PodMachine.Evolve(p, e, Samples.Now, ProbePolicy.Default));
            Assert.True(pod.State == PodState.Disconnected || pod.Spec is { Slots: >= 1 and <= Limits.SlotsPerPod });
            Assert.True(step is not PodCommand.Disconnect { Moving: > 0 } || decision.Events.Count == 0);
            Sequences.MustSurviveRestart(pod, p => PodMachine.Next(p, Samples.Now, ProbePolicy.Default));
        }
    }, iter: Sequences.Runs, threads: 1);

    private static readonly Gen<VersionName> versionName = Gen.Int[0, 2].Select(n => new VersionName($"1.{n}"));

    private static readonly Gen<ImageCommand> imageCommand = Gen.OneOf<ImageCommand>(
        Gen.Select(Sequences.Operation, versionName, Sequences.AnyOf("filesystem", "vsphere")).Select(ImageCommand (o, v, family) =>
            new ImageCommand.Import(o, v, null, family, Samples.Source, Samples.Disk, "", Samples.By)),
        Gen.Select(versionName, Sequences.Operation).Select(ImageCommand (v, o) => new ImageCommand.VersionBegun(v, o)),
        Gen.Select(versionName, Sequences.Operation, Gen.Enum<VersionStatus>()).Select(ImageCommand (v, o, s) => new ImageCommand.VersionRefused(v, o, s)),
        Gen.Select(versionName, Gen.Enum<VersionStatus>(), Gen.Bool, Gen.Int[1, 9]).Select(ImageCommand (v, s, usable, revision) => new ImageCommand.VersionChanged(v, s, usable, revision)),
        Sequences.AnyOf<ImageCommand>(new ImageCommand.Disable(), new ImageCommand.Enable()));

    [Fact]
    public void An_image_keeps_every_import_and_hears_versions_in_order() => imageCommand.Array[1, Sequences.Length].Sample(steps =>
    {
        var image = ImageMachine.Initial(Samples.Id.Image);
        foreach (var step in steps)
        {
            var decision = ImageMachine.Decide(image, step);
            var after = decision.Events.Aggregate(image, (i, e) => ImageMachine.Evolve(i, e, Samples.Now));
            Assert.Superset(image.Versions.Select(v => v.Name).ToHashSet(), after.Versions.Select(v => v.Name).ToHashSet());
            Assert.True(step is not ImageCommand.Import { Operation: var o } || decision.IsRefused || after.Versions.Any(v => v.Import == o));
            Assert.True(step is not ImageCommand.VersionChanged c || image.Versions.All(v => v.Name != c.Version || v.Revision <= c.Revision) || ReferenceEquals(image, after));
            Sequences.MustSurviveRestart(after, ImageMachine.Next);
            Sequences.MustSurviveRestart(after, i => i.Status);
            image = after;
        }
    }, iter: Sequences.Runs, threads: 1);
}
