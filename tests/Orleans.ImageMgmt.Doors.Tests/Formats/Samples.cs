using System.Reflection;
using System.Runtime.CompilerServices;

namespace Orleans.ImageMgmt.Doors.Tests.Formats;

/// <summary>One value of any type that travels: every member set, always to the same. Values need make no sense together; they only have to be written and read.</summary>
internal static class Samples
{
    /// <summary>Members below are left empty: types may hold each other.</summary>
    private const int Depth = 5;

    private static readonly string[] Words = ["sample", "Win10POS/1.0", "1.0", $"sha256:{new string('a', 64)}", new string('a', 64)];

    public static object Of(Type type) => Make(type, 0) ?? throw new NotSupportedException($"There is no sample of {type}.");

    private static object? Make(Type type, int depth)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return Make(inner, depth);
        }

        if (Plain(type) is { } plain)
        {
            return plain;
        }

        if (type.IsEnum)
        {
            var values = Enum.GetValues(type);
            return values.GetValue(values.Length > 1 ? 1 : 0);
        }

        if (type.IsArray || type.IsGenericType)
        {
            if (Many(type, depth) is { } many)
            {
                return many;
            }
        }

        if (type.IsAbstract)
        {
            return depth >= Depth ? null : type.Assembly.GetTypes().Where(other => other is { IsAbstract: false } && type.IsAssignableFrom(other)).OrderBy(other => other.FullName, StringComparer.Ordinal)
                .Select(other => Make(other, depth + 1)).FirstOrDefault();
        }

        return depth >= Depth && !type.IsValueType ? null : Word(type) ?? Members(type, depth);
    }

    private static object? Plain(Type type) => type switch
    {
        _ when type == typeof(string) => "sample",
        _ when type == typeof(bool) => true,
        _ when type == typeof(int) => 7,
        _ when type == typeof(uint) => 7u,
        _ when type == typeof(long) => 7_000_000_007L,
        _ when type == typeof(ulong) => 7_000_000_007UL,
        _ when type == typeof(byte) => (byte)7,
        _ when type == typeof(double) => 0.75,
        _ when type == typeof(Guid) => new Guid("0d5c1f2e-0000-4000-8000-000000000007"),
        _ when type == typeof(DateTimeOffset) => new DateTimeOffset(2026, 11, 30, 8, 0, 0, TimeSpan.Zero),
        _ when type == typeof(DateTime) => new DateTime(2026, 11, 30, 8, 0, 0, DateTimeKind.Utc),
        _ when type == typeof(TimeSpan) => TimeSpan.FromSeconds(90),
        _ when type == typeof(TimeOnly) => new TimeOnly(8, 30),
        _ when type == typeof(ReadOnlyMemory<byte>) => new ReadOnlyMemory<byte>([1, 2, 3]),
        _ when type == typeof(Memory<byte>) => new Memory<byte>([1, 2, 3]),
        _ when type == typeof(Runtime.GrainId) => Runtime.GrainId.Create("sample", "one"),
        _ when type == typeof(Runtime.SiloAddress) => Runtime.SiloAddress.New(System.Net.IPAddress.Loopback, 7_482, 1),
        _ => null,
    };

    /// <summary>One member, or none where it goes too deep.</summary>
    private static object? Many(Type type, int depth)
    {
        if (type.IsArray)
        {
            return Filled(type.GetElementType()!, depth);
        }

        var (shape, parts) = (type.GetGenericTypeDefinition(), type.GetGenericArguments());
        if (shape == typeof(IReadOnlyList<>) || shape == typeof(IReadOnlyCollection<>) || shape == typeof(IEnumerable<>))
        {
            return Filled(parts[0], depth);
        }

        if (shape == typeof(List<>) || shape == typeof(IList<>))
        {
            return Activator.CreateInstance(typeof(List<>).MakeGenericType(parts), Filled(parts[0], depth));
        }

        if (shape == typeof(HashSet<>) || shape == typeof(IReadOnlySet<>) || shape == typeof(ISet<>))
        {
            return Activator.CreateInstance(typeof(HashSet<>).MakeGenericType(parts), Filled(parts[0], depth));
        }

        if (shape == typeof(Dictionary<,>) || shape == typeof(IReadOnlyDictionary<,>) || shape == typeof(IDictionary<,>))
        {
            var map = (System.Collections.IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(parts))!;
            if (depth < Depth && Make(parts[0], depth + 1) is { } key)
            {
                map.Add(key, Make(parts[1], depth + 1));
            }

            return map;
        }

        return null;
    }

    private static Array Filled(Type element, int depth)
    {
        var one = depth < Depth ? Make(element, depth + 1) : null;
        var all = Array.CreateInstance(element, one is null ? 0 : 1);
        if (one is not null)
        {
            all.SetValue(one, 0);
        }

        return all;
    }

    /// <summary>A word of the domain is made as everybody makes it.</summary>
    private static object? Word(Type type)
    {
        var make = type.GetMethod("TryCreate", BindingFlags.Public | BindingFlags.Static, [typeof(string), type.MakeByRefType()]);
        foreach (var text in make is null ? [] : Words)
        {
            object?[] arguments = [text, null];
            if ((bool)make!.Invoke(null, arguments)!)
            {
                return arguments[1];
            }
        }

        return null;
    }

    private static object Members(Type type, int depth)
    {
        var made = RuntimeHelpers.GetUninitializedObject(type);
        for (var at = type; at is not null && at != typeof(object) && at != typeof(ValueType); at = at.BaseType)
        {
            foreach (var field in at.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                field.SetValue(made, Make(field.FieldType, depth + 1));
            }
        }

        return made;
    }
}
