using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Orleans.Serialization;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Formats;

/// <summary>Goal: silos of two builds understand each other while one takes the other's place. Method: one sample of every type that travels between processes, as bytes in a
/// committed file. Today's program has to read yesterday's bytes, and to write the same. A member that is added changes a line: the old line then goes to
/// <c>wire.before.golden.txt</c> by IMGMT_ACCEPT_GOLDEN=1, and has to be readable for ever.</summary>
public sealed class WireTests
{
    private static readonly string Folder = Path.Combine(Sources.Root, "tests", "Orleans.ImageMgmt.Doors.Tests", "Formats");

    private static string Before => Path.Combine(Folder, "wire.before.golden.txt");

    [Fact]
    public void Every_type_on_the_wire_is_written_as_yesterday()
    {
        using var services = MakeServices();
        var serializer = services.GetRequiredService<Serializer>();
        var lines = Types().Select(type => $"{type} {Convert.ToHexStringLower(serializer.SerializeToArray(Samples.Of(type)))}").ToList();

        KeepOld(lines);
        Golden.Check("wire", string.Join('\n', lines) + "\n");
    }

    [Fact]
    public void Todays_bytes_are_read_and_written_again_without_a_difference()
    {
        using var services = MakeServices();
        var serializer = services.GetRequiredService<Serializer>();
        var types = Types();

        Assert.True(types.Count > 30, $"only {types.Count} types were found");
        foreach (var type in types)
        {
            var bytes = serializer.SerializeToArray(Samples.Of(type));
            var read = serializer.Deserialize<object>(bytes);
            Assert.Equal(type, read!.GetType());
            Assert.True(bytes.AsSpan().SequenceEqual(serializer.SerializeToArray(read)), $"{type} is not the same after it was read.");
        }
    }

    [Fact]
    public void Bytes_of_earlier_builds_are_still_read()
    {
        using var services = MakeServices();
        var serializer = services.GetRequiredService<Serializer>();
        foreach (var line in File.ReadAllLines(Path.Combine(Folder, "wire.golden.txt")).Concat(File.Exists(Before) ? File.ReadAllLines(Before) : []).Where(line => line.Length > 0))
        {
            var (name, hex) = (line[..line.IndexOf(' ', StringComparison.Ordinal)], line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
            Assert.Equal(name, serializer.Deserialize<object>(Convert.FromHexString(hex))!.GetType().ToString());
        }
    }

    /// <summary>Lines that are about to be replaced stay readable.</summary>
    private static void KeepOld(List<string> now)
    {
        var current = Path.Combine(Folder, "wire.golden.txt");
        if (Environment.GetEnvironmentVariable("IMGMT_ACCEPT_GOLDEN") == "1" && File.Exists(current))
        {
            File.AppendAllLines(Before, File.ReadAllLines(current).Where(line => line.Length > 0).Except(now));
        }
    }

    private static ServiceProvider MakeServices() => new ServiceCollection().AddSerializer(builder =>
    {
        foreach (var assembly in Assemblies())
        {
            builder.AddAssembly(assembly);
        }
    }).BuildServiceProvider();

    private static IEnumerable<Assembly> Assemblies() => [typeof(PodName).Assembly, typeof(IPodGrain).Assembly, typeof(Grains.ImageMgmtSilo).Assembly, typeof(Host.HostSettings).Assembly];

    /// <summary>Exceptions are left out: they carry stack traces.</summary>
    private static List<Type> Types() =>
    [
        .. Assemblies().SelectMany(assembly => assembly.GetTypes())
            .Where(type => type.GetCustomAttribute<GenerateSerializerAttribute>(inherit: false) is not null && type is { IsAbstract: false, IsEnum: false } && !typeof(Exception).IsAssignableFrom(type))
            .Select(type => type.IsGenericTypeDefinition ? type.MakeGenericType(typeof(int)) : type)
            .OrderBy(type => type.FullName, StringComparer.Ordinal),
    ];
}
