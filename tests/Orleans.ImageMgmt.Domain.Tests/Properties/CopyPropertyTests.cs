using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Goal: no order of commands breaks a copy. Method: random command sequences with time passing between them; failing seeds shrink and are printed.</summary>
public sealed class CopyPropertyTests
{
    private static readonly RetryPolicy policy = RetryPolicy.Default;

    /// <summary>Attempts are drawn around the real one: 0 is the running try, negative ones are late.</summary>
    private static readonly Gen<Func<Copy, CopyCommand>> command = Gen.OneOf<Func<Copy, CopyCommand>>(
        Gen.Select(Sequences.Generation, Sequences.Operation, Sequences.Content).Select((g, o, c) => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Ensure(g, o, c, Samples.Source))),
        Gen.Select(Sequences.Generation, Sequences.Operation).Select((g, o) => (Func<Copy, CopyCommand>)(_ => new CopyCommand.EnsurePrepared(g, o, Samples.Disk))),
        Gen.Const((Func<Copy, CopyCommand>)(_ => new CopyCommand.Start())),
        Gen.Int[-1, 0].Select(late => (Func<Copy, CopyCommand>)(c => new CopyCommand.Staged(c.Attempt + late))),
        Gen.Select(Gen.Int[-1, 0], Sequences.Receipt).Select((late, r) => (Func<Copy, CopyCommand>)(c => new CopyCommand.Finalised(c.Attempt + late, r))),
        Gen.Select(Gen.Int[-1, 0], Sequences.Content, Sequences.Receipt).Select((late, content, r) => (Func<Copy, CopyCommand>)(c => new CopyCommand.Prepared(c.Attempt + late, content, r))),
        Gen.Select(Gen.Int[-1, 0], Sequences.Fault).Select((late, f) => (Func<Copy, CopyCommand>)(c => new CopyCommand.Faulted(c.Attempt + late, f))),
        Gen.Const((Func<Copy, CopyCommand>)(_ => new CopyCommand.GiveUp())),
        Gen.Select(Sequences.Operation, Gen.Int[-1, 0]).Select((o, late) => (Func<Copy, CopyCommand>)(c => new CopyCommand.Retry(o, c.Attempt + late))),
        Gen.Select(Sequences.Generation, Sequences.Operation, Gen.Int[0, 4], Gen.Bool, Gen.Bool).Select((g, o, t, u, r) => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Ensure(g, o, Samples.Content, Samples.Source, t, u, r))),
        Gen.Select(Sequences.Operation, Gen.Int[0, 4], Gen.Bool).Select((o, t, f) => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Hold(o, t, f))),
        Sequences.Operation.Select(o => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Cancel(o))),
        Sequences.Operation.Select(o => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Verify(o))),
        Gen.Const((Func<Copy, CopyCommand>)(_ => new CopyCommand.Verify(null))),
        Gen.Select(Gen.Int[-1, 0], Sequences.Receipt).Select((late, r) => (Func<Copy, CopyCommand>)(c => new CopyCommand.Verified(c.Attempt + late, r))),
        Gen.Int[-1, 0].Select(late => (Func<Copy, CopyCommand>)(c => new CopyCommand.Faulted(c.Attempt + late, Samples.Damaged))),
        Gen.Select(Gen.Int[-1, 0], Sequences.Receipt, Gen.Int[0, 3]).Select((late, r, seconds) => (Func<Copy, CopyCommand>)(c => new CopyCommand.Repaired(c.Attempt + late, r with { VerifiedAt = r.VerifiedAt.AddSeconds(seconds) }))),
        Gen.Int[-1, 0].Select(late => (Func<Copy, CopyCommand>)(c => new CopyCommand.Told(c.Revision + late))),
        Sequences.Generation.Select(g => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Delete(g))),
        Gen.Int[-1, 0].Select(late => (Func<Copy, CopyCommand>)(c => new CopyCommand.Removed(c.Attempt + late))),
        Sequences.Fault.Select(f => (Func<Copy, CopyCommand>)(_ => new CopyCommand.Quarantine(f))));

    private static readonly Gen<(Func<Copy, CopyCommand> Make, int Seconds)[]> sequence =
        Gen.Select(command, Gen.OneOf(Gen.Int[0, 5], Gen.Const(90_000))).Array[1, Sequences.Length];

    [Fact]
    public void Generation_and_attempt_never_fall() => ForEachStep((before, _, after, _) =>
    {
        Assert.True(after.Generation >= before.Generation && after.DeletedGeneration >= before.DeletedGeneration);
        Assert.True(after.Attempt >= before.Attempt);
    });

    [Fact]
    public void A_copy_is_available_only_with_a_receipt_that_proves_its_content() => ForEachStep((_, _, after, _) =>
    {
        if (after.State == CopyState.Available)
        {
            // Spelled out here, not asked of the machine: a machine that proves nothing must not pass.
            Assert.Equal((after.Version, after.Pod, after.Content!.ContentDigest), (after.Receipt!.Version, after.Receipt.Pod, after.Receipt.ContentDigest));
        }
    });

    [Fact]
    public void What_was_found_damaged_is_available_again_only_with_a_receipt_of_a_later_read_back() => ForEachStep((before, command, after, _) =>
    {
        if (before.State == CopyState.Quarantined && after.State == CopyState.Available)
        {
            Assert.NotEqual(before.Receipt?.VerifiedAt, after.Receipt!.VerifiedAt);
            Assert.IsType<CopyCommand.Repaired>(command);
        }
    });

    [Fact]
    public void A_verification_that_was_asked_for_ends_with_the_copy_or_before_it() => ForEachStep((_, _, after, _) =>
        Assert.True(after.Check is not { IsOpen: true } || after.IsHot || after.State is CopyState.Pending, $"{after.State} keeps {after.Check} open and nobody works on it"));

    [Fact]
    public void A_late_answer_of_an_older_try_changes_nothing() => ForEachStep((before, command, after, _) =>
    {
        var attempt = command switch
        {
            CopyCommand.Staged c => c.Attempt,
            CopyCommand.Finalised c => c.Attempt,
            CopyCommand.Prepared c => c.Attempt,
            CopyCommand.Faulted c => c.Attempt,
            CopyCommand.Removed c => c.Attempt,
            CopyCommand.Verified c => c.Attempt,
            CopyCommand.Repaired c => c.Attempt,
            CopyCommand.Retry c => c.FailedAttempt!.Value,
            _ => before.Attempt,
        };
        if (attempt < before.Attempt)
        {
            Assert.Equal(before, after);
        }
    });

    [Fact]
    public void The_same_command_again_changes_nothing() => ForEachStep((_, command, after, now) =>
    {
        // A retry names its failure and each answer its try, so a repeat is always about the past.
        var again = CopyMachine.Decide(after, command, now, policy);
        var isMeantToRepeat = command is CopyCommand.Faulted && after.State == CopyState.Deleting; // each failed removal sets a new time
        Assert.True(isMeantToRepeat || again.Events.Count == 0 || command is CopyCommand.EnsurePrepared, $"{command} did {string.Join(", ", again.Events)} again");
    });

    [Fact]
    public void A_cancelled_operation_never_wants_the_copy_again_unless_it_is_retried() => ForEachStep((before, command, after, _) =>
    {
        // A retry counts once: one that comes again after the next cancel is about the past.
        if (command is CopyCommand.Ensure c && before.LetGo.Contains(c.Operation)
            && !(c.IsRetry && before.Holds.All(h => h.Operation != c.Operation || h.Turn < c.Turn)))
        {
            Assert.Equal(before, after);
        }
    });

    [Fact]
    public void A_copy_that_everybody_has_paused_starts_nothing_and_is_not_given_up() => ForEachStep((_, _, after, now) =>
    {
        if (after is { IsHeld: true, State: CopyState.Pending or CopyState.RetryPending })
        {
            Assert.IsType<CopyStep.Rest>(CopyMachine.Next(after, now, policy));
            Assert.Empty(CopyMachine.Decide(after, new CopyCommand.Start(), now, policy).Events);
            Assert.Empty(CopyMachine.Decide(after, new CopyCommand.GiveUp(), now.AddYears(1), policy).Events);
        }
    });

    [Fact]
    public void Of_the_words_about_a_pause_the_newest_counts_in_whatever_order_they_come() => ForEachStep((before, command, after, _) =>
    {
        var (operation, turn) = command switch
        {
            CopyCommand.Ensure c => (c.Operation, c.Turn),
            CopyCommand.Hold c => (c.Operation, c.Turn),
            _ => (Samples.One, -1),
        };
        Assert.All(before.Holds, h => Assert.True(after.Holds.FirstOrDefault(a => a.Operation == h.Operation) is not { } now || now.Turn >= h.Turn));
        if (before.Holds.FirstOrDefault(h => h.Operation == operation) is { } known && known.Turn >= turn)
        {
            Assert.Equal(known, after.Holds.First(h => h.Operation == operation));
        }
    });

    [Fact]
    public void A_version_deleted_here_comes_back_only_for_a_newer_order() => ForEachStep((before, command, after, _) =>
    {
        if (before.State == CopyState.Deleted && after.State != CopyState.Deleted)
        {
            var generation = command switch { CopyCommand.Ensure c => c.Generation, CopyCommand.EnsurePrepared c => c.Generation, _ => throw new NotSupportedException(command.ToString()) };
            Assert.True(generation >= before.DeletedGeneration);
        }
    });

    [Fact]
    public void Tries_stay_within_the_limit_and_lists_within_theirs() => ForEachStep((_, _, after, _) =>
    {
        Assert.True(after.State == CopyState.Deleting || after.Tries <= policy.MaxTries);
        Assert.True(after.WantedBy.Count <= CopyMachine.WantedByLimit && after.LetGo.Count <= CopyMachine.WantedByLimit && after.Holds.Count <= CopyMachine.WantedByLimit);
    });

    [Fact]
    public void Every_state_wants_the_same_next_after_a_restart() =>
        ForEachStep((_, _, after, now) => Sequences.MustSurviveRestart(after, c => CopyMachine.Next(c, now, policy)));

    [Fact]
    public void A_cancel_of_the_only_operation_that_still_waits_removes_what_is_made_whoever_waited_before()
    {
        var (first, second) = (new CopyCommand.Ensure(Samples.Gen(1), Samples.One, Samples.Content, Samples.Source), new CopyCommand.Ensure(Samples.Gen(2), Samples.Two, Samples.Content, Samples.Source));
        Copy After(params CopyCommand[] commands) => commands.Aggregate(CopyMachine.Initial(Samples.Id, Samples.Paris), (copy, command) =>
            CopyMachine.Decide(copy, command, Samples.Now, policy).Events.Aggregate(copy, (c, e) => CopyMachine.Evolve(c, e, Samples.Now)));

        // The first one has heard that it failed, and waits for nothing.
        Assert.Equal(CopyState.Deleting, After(first, new CopyCommand.Start(), new CopyCommand.Faulted(1, Samples.Lasting), second, new CopyCommand.Cancel(Samples.Two)).State);
        Assert.Equal(CopyState.Deleting, After(first, second, new CopyCommand.Start(), new CopyCommand.Faulted(1, Samples.Lasting), new CopyCommand.Retry(Samples.Two), new CopyCommand.Cancel(Samples.Two)).State);

        // It waits: asked again, or waiting for the very try.
        Assert.Equal(CopyState.Pending, After(first, second, new CopyCommand.Cancel(Samples.Two)).State);
        Assert.Equal(CopyState.Pending, After(first, new CopyCommand.Start(), new CopyCommand.Faulted(1, Samples.Lasting), second, first, new CopyCommand.Cancel(Samples.Two)).State);
    }

    [Fact]
    public void The_delay_between_two_tries_never_falls_and_never_passes_its_limit() => Gen.Int[1, 1_000].Sample(tries =>
    {
        Assert.True(policy.DelayAfter(tries + 1) >= policy.DelayAfter(tries));
        Assert.InRange(policy.DelayAfter(tries), policy.FirstDelay, policy.MaxDelay);
    });

    private static void ForEachStep(Action<Copy, CopyCommand, Copy, DateTimeOffset> check) => sequence.Sample(steps =>
    {
        var copy = CopyMachine.Initial(Samples.Id, Samples.Paris);
        var now = Samples.Start;
        foreach (var (make, seconds) in steps)
        {
            now = now.AddSeconds(seconds);
            var made = make(copy);
            var after = CopyMachine.Decide(copy, made, now, policy).Events.Aggregate(copy, (c, e) => CopyMachine.Evolve(c, e, now));
            check(copy, made, after, now);
            copy = after;
        }
    }, iter: Sequences.Runs, threads: 1);
}
