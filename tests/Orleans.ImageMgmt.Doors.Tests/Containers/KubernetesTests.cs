using k8s;
using k8s.Models;
using Orleans.Hosting.Kubernetes;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Doors.Tests.Upkeep;
using Orleans.ImageMgmt.Host;
using Xunit;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Orleans.ImageMgmt.Doors.Tests.Containers;

/// <summary>Goal: the manifests are what Kubernetes takes and what the program reads, without a cluster to try them on. Method: the client library's own types, which know
/// every field, read strictly; names that have to meet are looked up on both sides; the settings go through the program's own reader.</summary>
public sealed class KubernetesTests
{
    /// <summary>What a host may take to end after its leave, with a reserve (see the host's own limit of 20 s).</summary>
    private static readonly TimeSpan Ending = TimeSpan.FromSeconds(30);

    private static string Folder => Path.Combine(Sources.Root, "docker", "kubernetes");

    [Fact]
    public void Every_field_of_the_manifests_is_one_that_Kubernetes_knows_and_a_misspelt_one_would_be_found()
    {
        Assert.Equal(13 - 1, Read().Count); // all but the configuration, which kustomize makes of a file
        var misspelt = Text().Replace("readOnlyRootFilesystem", "readOnlyRootFileSystem", StringComparison.Ordinal);
        Assert.ThrowsAny<YamlException>(() => KubernetesYaml.LoadAllFromString(misspelt, null, strict: true));
    }

    [Fact]
    public void Containers_run_shut_in_with_limits_and_probes_that_the_program_answers()
    {
        Assert.Equal(["imagemgmt-front-end", "imagemgmt-silo"], Workloads().Select(workload => workload.Name).Order());
        foreach (var (_, template, claims) in Workloads())
        {
            var pod = template.Spec.SecurityContext;
            Assert.Equal((true, 1654L, 1654L, 1654L, "RuntimeDefault"), (pod.RunAsNonRoot, pod.RunAsUser, pod.RunAsGroup, pod.FsGroup, pod.SeccompProfile.Type));
            var container = Assert.Single(template.Spec.Containers);
            var security = container.SecurityContext;
            Assert.Equal((true, false, "ALL"), (security.ReadOnlyRootFilesystem, security.AllowPrivilegeEscalation, security.Capabilities.Drop.Single()));
            Assert.All((string[])["cpu", "memory"], what => Assert.True(container.Resources.Requests.ContainsKey(what) && container.Resources.Limits.ContainsKey(what), what));
            Assert.Equal([Routes.Startup, Routes.Liveness, Routes.Readiness],
                new[] { container.StartupProbe, container.LivenessProbe, container.ReadinessProbe }.Select(probe => probe.HttpGet.Path));
            Assert.All(new[] { container.StartupProbe, container.LivenessProbe, container.ReadinessProbe }, probe => Assert.Equal("probes", probe.HttpGet.Port));
            Assert.Equal(
                container.VolumeMounts.Select(mount => mount.Name).Order(),
                template.Spec.Volumes.Select(volume => volume.Name).Concat(claims).Order());
            Assert.All(template.Spec.Volumes.Where(volume => volume.Secret is not null), volume => Assert.Equal(0b100_100_000, volume.Secret.DefaultMode)); // 288, which is 0440
        }
    }

    [Fact]
    public void The_program_takes_the_settings_and_they_fit_the_ports_and_times_of_the_manifests()
    {
        foreach (var (_, template, _) in Workloads())
        {
            var container = template.Spec.Containers.Single();
            var settings = Settings.Of(Path.Combine(Folder, "imgmt.json"), container.Env.Where(variable => variable.Name.StartsWith("IMGMT__", StringComparison.Ordinal))
                .ToDictionary(variable => variable.Name, variable => variable.Value ?? "10.1.2.3"));

            var ports = container.Ports.ToDictionary(port => port.Name, port => port.ContainerPort);
            Assert.Equal(Port(settings.Probes.Listen), ports["probes"]);
            Assert.Equal(Port(settings.Http!.Listen), ports["https"]);
            Assert.True(TimeSpan.FromSeconds(template.Spec.TerminationGracePeriodSeconds!.Value) >= settings.Cluster.DrainTime + Ending);
            Assert.True(settings.Cluster.DrainTime.TotalSeconds > container.ReadinessProbe.PeriodSeconds * container.ReadinessProbe.FailureThreshold);
            var mounts = container.VolumeMounts.Select(mount => mount.MountPath).ToList();
            Assert.Contains(SettingsRequest.MachineFile, mounts);
            Assert.All(
                [settings.Cluster.ConnectionFile, settings.Cluster.SecretFile, settings.Trust.Authority, settings.Trust.Certificate, settings.Trust.Key, settings.Http.CertificateFile!],
                file => Assert.Contains(Path.GetDirectoryName(file)!, mounts));
            if (settings.Cluster.HasSilo)
            {
                Assert.Equal((Port(settings.Cluster.Listen), settings.Cluster.FrontEndPort), (ports["silo"], ports["front-end"]));
                Assert.Equal((settings.Cluster.Name, settings.Cluster.Name),
                    (template.Metadata.Labels[KubernetesHostingOptions.ServiceIdLabel], template.Metadata.Labels[KubernetesHostingOptions.ClusterIdLabel]));
                Assert.Subset(
                    container.Env.Select(variable => variable.Name).ToHashSet(),
                    new HashSet<string> { KubernetesHostingOptions.PodNameEnvironmentVariable, KubernetesHostingOptions.PodNamespaceEnvironmentVariable, KubernetesHostingOptions.PodIPEnvironmentVariable });
            }
        }
    }

    [Fact]
    public void Services_budgets_and_policies_choose_pods_that_exist_and_ports_that_they_have()
    {
        var pods = Workloads().Select(workload => workload.Template).ToList();
        V1PodTemplateSpec Chosen(IDictionary<string, string> labels) => pods.Single(pod => labels.All(label => pod.Metadata.Labels.TryGetValue(label.Key, out var value) && value == label.Value));

        var all = Read();
        foreach (var service in all.OfType<V1Service>())
        {
            var names = Chosen(service.Spec.Selector).Spec.Containers.Single().Ports.Select(port => port.Name).ToList();
            Assert.All(service.Spec.Ports, port => Assert.Contains((string)port.TargetPort, names));
        }

        Assert.Equal(2, all.OfType<V1PodDisruptionBudget>().Select(budget => Chosen(budget.Spec.Selector.MatchLabels)).Distinct().Count());
        foreach (var policy in all.OfType<V1NetworkPolicy>())
        {
            var numbers = Chosen(policy.Spec.PodSelector.MatchLabels).Spec.Containers.Single().Ports.Select(port => $"{port.ContainerPort}").ToList();
            Assert.All(policy.Spec.Ingress.SelectMany(rule => rule.Ports), port => Assert.Contains((string)port.Port, numbers));
        }

        var silo = all.OfType<V1StatefulSet>().Single();
        Assert.Equal(all.OfType<V1ServiceAccount>().Single().Metadata.Name, silo.Spec.Template.Spec.ServiceAccountName);
        Assert.Equal(all.OfType<V1Role>().Single().Metadata.Name, all.OfType<V1RoleBinding>().Single().RoleRef.Name);
        Assert.Equal(["get", "list", "patch", "watch"], all.OfType<V1Role>().Single().Rules.Single().Verbs.Order());
        Assert.Contains(all.OfType<V1Service>(), service => service.Metadata.Name == silo.Spec.ServiceName && service.Spec.ClusterIP == "None");
    }

    [Fact]
    public void Kustomize_finds_every_file()
    {
        var reader = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build(); // an unknown key is an error
        var made = reader.Deserialize<Kustomization>(File.ReadAllText(Path.Combine(Folder, "kustomization.yaml")));

        var files = made.Resources.Concat(made.ConfigMapGenerator.SelectMany(map => map.Files)).Append("kustomization.yaml");
        Assert.Equal(Directory.EnumerateFiles(Folder).Select(Path.GetFileName).Where(name => name != "README.md").Order(), files.Order());
        Assert.Contains(made.ConfigMapGenerator, map => map.Name == "imagemgmt");
    }

    private static string Text() => string.Join("\n---\n", Directory.EnumerateFiles(Folder, "*.yaml").Where(file => !file.EndsWith("kustomization.yaml", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal).Select(File.ReadAllText));

    private static List<object> Read() => KubernetesYaml.LoadAllFromString(Text(), null, strict: true);

    private static List<(string Name, V1PodTemplateSpec Template, IEnumerable<string> Claims)> Workloads()
    {
        var all = Read();
        return
        [
            .. all.OfType<V1Deployment>().Select(made => (made.Metadata.Name, made.Spec.Template, Enumerable.Empty<string>())),
            .. all.OfType<V1StatefulSet>().Select(made => (made.Metadata.Name, made.Spec.Template, made.Spec.VolumeClaimTemplates.Select(claim => claim.Metadata.Name))),
        ];
    }

    private static int Port(string listen) => int.Parse(listen[(listen.LastIndexOf(':') + 1)..], System.Globalization.CultureInfo.InvariantCulture);

    private sealed class Kustomization
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public string Namespace { get; set; } = "";

        public List<string> Resources { get; set; } = [];

        public List<Generator> ConfigMapGenerator { get; set; } = [];
    }

    private sealed class Generator
    {
        public string Name { get; set; } = "";

        public List<string> Files { get; set; } = [];
    }
}

/// <summary>The settings of a container, through the program's own reader.</summary>
internal static class Settings
{
    public static HostSettings Of(string file, IReadOnlyDictionary<string, string> environment)
    {
        var settings = new HostSettings("/data") { Http = new HttpOptions() };
        Assert.Empty(SettingsReader.Fill(settings, new SettingsRequest("/data") { File = file, Environment = environment }));
        return settings;
    }
}
