using System.Net;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Orleans.ImageMgmt.Host;
using Xunit;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Orleans.ImageMgmt.Doors.Tests.Containers;

/// <summary>Goal: the compose file and the Dockerfile say what they should and nothing that is misspelt. Method: a reader that knows the keys in use and no others, and the
/// program's own reader for its settings and its plan.</summary>
public sealed class ComposeTests
{
    private static string Docker => Path.Combine(Sources.Root, "docker");

    private static string File(string name) => Path.Combine(Docker, "compose", name);

    [Fact]
    public void Three_silos_and_a_front_end_share_what_they_have_to_and_run_shut_in()
    {
        var compose = Read(System.IO.File.ReadAllText(File("compose.yaml")));
        var ours = compose.Services.Where(service => service.Value.Environment.Keys.Any(key => key.StartsWith("IMGMT__", StringComparison.Ordinal))).ToList();

        Assert.Equal(["front-end", "silo-1", "silo-2", "silo-3"], ours.Select(service => service.Key).Order());
        foreach (var (name, service) in ours)
        {
            Assert.Equal((true, "1654:1654", "ALL", "no-new-privileges:true"), (service.ReadOnly, service.User, service.CapDrop.Single(), service.SecurityOpt.Single()));
            Assert.Equal(ours[0].Value.Volumes, service.Volumes);
            Assert.Equal("${POSTGRES_PASSWORD:?set it in .env}", compose.Services["database"].Environment["POSTGRES_PASSWORD"]);
            var settings = Settings.Of(File("imgmt.json"), service.Environment);
            Assert.Equal(name == "front-end" ? ClusterRole.Web : ClusterRole.Silo, settings.Cluster.Role);
            Assert.True(!settings.Cluster.HasSilo || settings.Cluster.Advertise == service.Address, $"{name} advertises {settings.Cluster.Advertise} and has {service.Address}");
            Assert.All(service.DependsOn.Keys, other => Assert.Contains(other, compose.Services.Keys));
        }

        Assert.Equal("127.0.0.1:7480:7480", Assert.Single(compose.Services["front-end"].Ports)); // nobody outside this machine
        Assert.Equal(3, ours.Where(service => service.Value.Address is not null).Select(service => service.Value.Address).Distinct().Count(address => IPAddress.TryParse(address, out _)));
        Assert.All(
            compose.Services.Values.SelectMany(service => service.Volumes).Select(volume => volume.Split(':')[0]).Where(volume => !volume.StartsWith('.')),
            volume => Assert.Contains(volume, compose.Volumes.Keys));
    }

    [Fact]
    public void A_key_that_is_misspelt_would_be_found()
    {
        var misspelt = System.IO.File.ReadAllText(File("compose.yaml")).Replace("stop_grace_period", "stop_graceperiod", StringComparison.Ordinal);
        Assert.ThrowsAny<YamlException>(() => Read(misspelt));
    }

    [Fact]
    public void The_plan_connects_three_pods_whose_folders_are_mounted()
    {
        var plan = Plan.Read(File("plan.json"));
        var mounted = Read(System.IO.File.ReadAllText(File("compose.yaml"))).Services["silo-1"].Volumes.Select(volume => volume.Split(':')[1]).ToList();

        Assert.Equal(["east", "head-office", "west"], plan.Pods.Select(pod => pod.Name.Value).Order());
        Assert.All(plan.Pods.SelectMany(pod => pod.Settings.Values), path => Assert.Contains(path, mounted));
    }

    [Fact]
    public void The_image_is_built_in_two_stages_and_runs_as_nobody_special()
    {
        var lines = System.IO.File.ReadAllLines(Path.Combine(Docker, "Dockerfile")).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#').ToList();
        Assert.Equal(["FROM ${SDK} AS build", "FROM ${RUNTIME} AS run"], lines.Where(line => line.StartsWith("FROM", StringComparison.Ordinal)));
        var run = lines[lines.IndexOf("FROM ${RUNTIME} AS run")..];
        Assert.DoesNotContain(run, line => line.StartsWith("RUN", StringComparison.Ordinal)); // the runtime has no shell
        Assert.Contains("USER 1654:1654", run);
        Assert.Contains("ENTRYPOINT [\"/app/imgmt\"]", run);
        foreach (var copied in lines.Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from", StringComparison.Ordinal)).SelectMany(line => line.Split(' ')[1..^1]))
        {
            Assert.True(Path.Exists(Path.Combine(Sources.Root, copied)), $"The Dockerfile copies {copied}, which is not there.");
        }
    }

    private static Compose Read(string text)
    {
        var reader = new DeserializerBuilder().WithNamingConvention(UnderscoredNamingConvention.Instance).WithTypeConverter(new NetworkReader()).Build();
        return reader.Deserialize<Compose>(new MergingParser(new Parser(new StringReader(text))));
    }

    private sealed class Compose
    {
        public string Name { get; set; } = "";

        [YamlMember(Alias = "x-process", ApplyNamingConventions = false)]
        public Container Process { get; set; } = new();

        [YamlMember(Alias = "x-volumes", ApplyNamingConventions = false)]
        public List<string> Shared { get; set; } = [];

        public Dictionary<string, Container> Services { get; set; } = [];

        public Dictionary<string, Network> Networks { get; set; } = [];

        public Dictionary<string, Dictionary<string, string>> Volumes { get; set; } = [];
    }

    private sealed class Container
    {
        public string Image { get; set; } = "";

        public string Restart { get; set; } = "";

        public bool ReadOnly { get; set; }

        public string User { get; set; } = "";

        public List<string> CapDrop { get; set; } = [];

        public List<string> SecurityOpt { get; set; } = [];

        public List<string> Tmpfs { get; set; } = [];

        public string StopGracePeriod { get; set; } = "";

        public string MemLimit { get; set; } = "";

        public int PidsLimit { get; set; }

        public Dictionary<string, Dependency> DependsOn { get; set; } = [];

        public ServiceNetworks Networks { get; set; } = new(null);

        public string NetworkMode { get; set; } = "";

        public List<string> Command { get; set; } = [];

        public Dictionary<string, string> Environment { get; set; } = [];

        public List<string> Ports { get; set; } = [];

        public List<string> Volumes { get; set; } = [];

        public HealthCheck? Healthcheck { get; set; }

        [YamlIgnore]
        public string? Address => Networks.Address;
    }

    /// <summary>A list of names, or a map with one fixed address.</summary>
    private sealed record ServiceNetworks(string? Address);

    private sealed class NetworkReader : IYamlTypeConverter
    {
        public bool Accepts(Type type) => type == typeof(ServiceNetworks);

        public object ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer)
        {
            if (parser.Accept<YamlDotNet.Core.Events.SequenceStart>(out _))
            {
                Assert.Equal("cluster", Assert.Single((List<string>)rootDeserializer(typeof(List<string>))!));
                return new ServiceNetworks(null);
            }

            var fixedOnes = (Dictionary<string, Dictionary<string, string>>)rootDeserializer(typeof(Dictionary<string, Dictionary<string, string>>))!;
            return new ServiceNetworks(Assert.Single(Assert.Single(fixedOnes).Value, pair => pair.Key == "ipv4_address").Value);
        }

        public void WriteYaml(IEmitter emitter, object? value, Type type, ObjectSerializer serializer) => throw new NotSupportedException("Only read here.");
    }

    private sealed class Dependency
    {
        public string Condition { get; set; } = "";
    }

    private sealed class HealthCheck
    {
        public List<string> Test { get; set; } = [];

        public string Interval { get; set; } = "";

        public string Timeout { get; set; } = "";

        public int Retries { get; set; }
    }

    private sealed class Network
    {
        public Addresses Ipam { get; set; } = new();
    }

    private sealed class Addresses
    {
        public List<Dictionary<string, string>> Config { get; set; } = [];
    }
}
