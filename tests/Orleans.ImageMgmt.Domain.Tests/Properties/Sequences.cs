using System.Text.Json;
using CsCheck;
using Xunit;

namespace Orleans.ImageMgmt.Domain.Tests;

/// <summary>Generators of commands, small on purpose: few names, so that commands meet each other.</summary>
internal static class Sequences
{
    internal const int Length = 40;
    internal const int Runs = 2_000;

    internal static readonly Gen<OperationId> Operation = Gen.Int[1, 4].Select(n => new OperationId($"op-{n}"));
    internal static readonly Gen<PodName> Pod = AnyOf(Samples.Paris, Samples.Oslo, new PodName("rome"));
    internal static readonly Gen<Generation> Generation = Gen.Int[1, 5].Select(n => new Generation(n));
    internal static readonly Gen<ConnectorFault> Fault = AnyOf(Samples.Passing, Samples.Lasting);
    internal static readonly Gen<ContentDescription> Content = AnyOf(Samples.Content, Samples.Content, Samples.Content, Samples.OtherContent);
    internal static readonly Gen<Receipt> Receipt = Gen.Select(Content, AnyOf(Samples.Paris, Samples.Paris, Samples.Oslo)).Select(r => Samples.ReceiptOf(r.Item1, r.Item2));
    internal static readonly Gen<TargetOutcome> Outcome = Gen.Enum<TargetOutcome>();
    internal static readonly Gen<Dictionary<PodName, TargetOutcome>> Outcomes =
        Gen.Select(Pod, Outcome).Array[1, 3].Select(pairs => pairs.GroupBy(p => p.Item1).ToDictionary(g => g.Key, g => g.First().Item2));

    internal static Gen<T> AnyOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(n => values[n]);

    /// <summary>A process that starts finds the noun as its JSON text gives it back, and has to want the same next.</summary>
    internal static void MustSurviveRestart<TNoun>(TNoun noun, Func<TNoun, object> next)
    {
        var text = JsonSerializer.Serialize(noun);
        var again = JsonSerializer.Deserialize<TNoun>(text)!;
        Assert.Equal(text, JsonSerializer.Serialize(again));
        var (before, after) = (next(noun), next(again));
        Assert.Equal(before.GetType(), after.GetType());
        Assert.Equal(JsonSerializer.Serialize(before, before.GetType()), JsonSerializer.Serialize(after, after.GetType()));
    }
}
