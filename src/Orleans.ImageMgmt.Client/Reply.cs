using System.Diagnostics.CodeAnalysis;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>A value, or an expected no. Never both.</summary>
/// <param name="Value">What was asked for; null when it was refused.</param>
/// <param name="Refusal">Why not; null when it was done.</param>
[GenerateSerializer, Immutable, Alias(Aliases.Reply)]
public sealed record Reply<T>([property: Id(0)] T? Value, [property: Id(1)] Refusal? Refusal)
{
    /// <summary>Whether it was done; else <see cref="Refusal"/> says why not.</summary>
    [MemberNotNullWhen(false, nameof(Refusal))]
    [MemberNotNullWhen(true, nameof(Value))]
    public bool IsDone => Refusal is null;

    /// <exception cref="RefusedException">It was refused.</exception>
    public T OrThrow() => IsDone ? Value : throw new RefusedException(Refusal);
}

/// <summary>Makes replies.</summary>
public static class Reply
{
    /// <summary>It was done.</summary>
    public static Reply<T> Of<T>(T value) => new(value, null);

    /// <summary>It was refused.</summary>
    public static Reply<T> Refused<T>(Refusal refusal) => new(default, refusal);

    /// <summary>It was refused, with a stable code, a sentence and the next step.</summary>
    public static Reply<T> Refused<T>(string code, string message, string hint) => new(default, new Refusal(code, message, hint));
}

/// <summary>A refusal for callers that prefer exceptions: same code, sentence and hint.</summary>
[GenerateSerializer, Alias(Aliases.RefusedException)]
public sealed class RefusedException(Refusal refusal) : Exception(refusal.ToString())
{
    /// <summary>What was refused, its stable code, and what to do.</summary>
    [Id(0)]
    public Refusal Refusal { get; } = refusal;
}
