using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary>Arguments that a caller of the gateway sends: not parsed from text as at HTTP, so every word in them is checked here.</summary>
internal static class CallerArguments
{
    /// <summary>How deep records may hold records; ours hold three.</summary>
    private const int DepthLimit = 8;

    /// <summary>Characters of a reason; the same as of a description.</summary>
    private const int ReasonLimit = Limits.DescriptionLength;

    private static readonly ConcurrentDictionary<Type, Func<object, string?>> Checks = new();

    /// <exception cref="RefusedException">A word in it is none.</exception>
    public static void Check(object argument) => Check(argument, 0);

    /// <summary>The same argument as the caller's certificate says: whoever it names itself, the log has the certificate's name.</summary>
    public static object Signed(object argument, GatewayCaller caller) => argument switch
    {
        RequestedBy by => Sign(by, caller),
        ImportRequest request => request with { By = Sign(request.By, caller) },
        PublishRequest request => request with { By = Sign(request.By, caller) },
        _ => argument,
    };

    private static RequestedBy Sign(RequestedBy? by, GatewayCaller caller)
    {
        var reason = by?.Reason ?? "";
        return new(caller.Name.Name, caller.Origin, reason.Length <= ReasonLimit ? reason : reason[..ReasonLimit]) { Trace = Grains.Spans.Here };
    }

    private static void Check(object value, int depth)
    {
        if (depth > DepthLimit)
        {
            throw Refuse("The call holds more inside itself than any call of ours.");
        }

        var type = value.GetType();
        if (Checks.GetOrAdd(type, CheckOf)(value) is { } fault)
        {
            throw Refuse(fault);
        }

        if (value is IEnumerable items and not string)
        {
            foreach (var item in items)
            {
                Check(item ?? throw Refuse("A list in the call has an empty place."), depth + 1);
            }
        }
        else if (type.Assembly == typeof(RequestedBy).Assembly || type.Assembly == typeof(ImportRequest).Assembly || type.Name.StartsWith("KeyValuePair`", StringComparison.Ordinal))
        {
            foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                if (!type.IsEnum && property.GetIndexParameters().Length == 0 && property.CanRead && IsStored(property) && property.GetValue(value) is { } inner)
                {
                    Check(inner, depth + 1);
                }
            }
        }
    }

    /// <summary>What was sent, not what follows from it.</summary>
    private static bool IsStored(PropertyInfo property) => property.CanWrite || property.DeclaringType!.Name.StartsWith("KeyValuePair`", StringComparison.Ordinal);

    private static Func<object, string?> CheckOf(Type type) =>
        type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IWord<>))
            ? typeof(CallerArguments).GetMethod(nameof(CheckWord), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(type).CreateDelegate<Func<object, string?>>()
            : _ => null;

    private static string? CheckWord<T>(object value) where T : struct, IWord<T> =>
        T.TryCreate(((T)value).Value, out _) ? null : $"'{((T)value).Value}' is no {typeof(T).Name}: {T.Rule}.";

    private static RefusedException Refuse(string message) => new(new Refusal("call.invalid", message, "Correct it and call again."));
}
