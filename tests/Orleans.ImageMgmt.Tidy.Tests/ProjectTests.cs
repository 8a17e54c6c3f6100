using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace Orleans.ImageMgmt.Tidy.Tests;

/// <summary>Goal: the walls between the projects stand, and every package is pinned, stable and of one kind.</summary>
public sealed partial class ProjectTests
{
    private const string Prefix = "Orleans.ImageMgmt.";

    /// <summary>What each floor may know of ours, and why not more.</summary>
    private static readonly Dictionary<string, (string[] Projects, string Reason)> Walls = new(StringComparer.Ordinal)
    {
        ["Domain"] = ([], "the machines are pure: everything else may know them, they know nothing"),
        ["Content"] = (["Domain"], "bytes never meet actors"),
        ["Connectors"] = (["Domain", "Content"], "adapters see no grain and no database"),
        ["Client"] = (["Domain"], "it is what a frontend process references, and must stay light"),
        ["Grains"] = (["Domain", "Client", "Connectors", "Content"], "actors know no HTTP and no command line"),
        ["Api"] = ([], "the wire stands alone, so that a change inside never changes it"),
        ["Cli"] = (["Api"], "imgctl does nothing that any HTTP client could not do"),
        ["Host"] = (["Domain", "Content", "Connectors", "Client", "Grains", "Api"], "the host composes, and nothing builds on the command line tool"),
    };

    /// <summary>Namespaces that a floor must not use, and why.</summary>
    private static readonly (string Floor, string Namespace, string Reason)[] Forbidden =
    [
        ("Domain", "System.IO", "Domain does no I/O"),
        ("Domain", "System.Net", "Domain does no I/O"),
        ("Domain", "Microsoft.Extensions", "Domain has no logs, options or containers"),
        ("Content", "Orleans.Runtime", "bytes never meet actors"),
        ("Content", "Microsoft.Data", "content is files, not databases"),
        ("Connectors", "Orleans.Runtime", "adapters see no grain"),
        ("Connectors", "Microsoft.Data", "adapters see no database"),
        ("Client", "Microsoft.AspNetCore", "the client SDK speaks Orleans only"),
        ("Grains", "Microsoft.AspNetCore", "HTTP ends in the host"),
        ("Api", "Orleans", "the wire stands alone"),
        ("Cli", "Orleans.Runtime", "the command line speaks HTTP only"),
    ];

    /// <summary>Orleans' own transport hooks are named after ASP.NET but come with the Orleans client.</summary>
    private const string TransportHooks = "Microsoft.AspNetCore.Connections";

    /// <summary>Alpha packages that Microsoft.Orleans.Dashboard brings along for pages of its own. Nothing of ours may use them.</summary>
    private static readonly string[] BroughtByTheDashboard = ["Microsoft.Orleans.DurableJobs", "Microsoft.Orleans.Journaling"];

    [Fact]
    public void A_project_references_only_what_its_wall_lets_through()
    {
        SourceTree.AssertNone(
            from path in ProductProjects()
            let floor = Floor(path)
            from reference in References(path, "ProjectReference").Select(Floor)
            where !Walls.TryGetValue(floor, out var wall) || !wall.Projects.Contains(reference)
            select $"{path} references {reference}: {Walls.GetValueOrDefault(floor).Reason ?? "the project has no wall yet, add one here"}");
    }

    [Fact]
    public void Domain_has_no_package_but_the_serializer()
    {
        var packages = References($"src/{Prefix}Domain/{Prefix}Domain.csproj", "PackageReference");
        Assert.Equal(["Microsoft.Orleans.Serialization"], packages);
    }

    [Fact]
    public void Only_the_host_is_a_web_project()
    {
        SourceTree.AssertNone(
            from path in ProductProjects()
            where Floor(path) != "Host"
            where SourceTree.Read(path).Contains("Microsoft.NET.Sdk.Web", StringComparison.Ordinal)
                || References(path, "FrameworkReference").Contains("Microsoft.AspNetCore.App")
            select $"{path} brings in ASP.NET: HTTP is the host's");
    }

    [Fact]
    public void No_floor_uses_a_namespace_that_is_not_for_it()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Product
            from wall in Forbidden
            where file.Path.StartsWith($"src/{Prefix}{wall.Floor}/", StringComparison.Ordinal)
            from use in file.All<UsingDirectiveSyntax>()
            let name = use.Name?.ToString() ?? ""
            where (name == wall.Namespace || name.StartsWith(wall.Namespace + ".", StringComparison.Ordinal))
                && !name.StartsWith("Orleans.ImageMgmt", StringComparison.Ordinal)
                && (name != TransportHooks || wall.Floor != "Client")
            select $"{file.At(use)} uses {name}: {wall.Reason}");
    }

    [Fact]
    public void Package_versions_are_central_pinned_stable_and_in_order()
    {
        var versions = XDocument.Parse(SourceTree.Read("Directory.Packages.props")).Descendants("PackageVersion")
            .Select(item => (Name: item.Attribute("Include")!.Value, Version: item.Attribute("Version")!.Value)).ToList();

        Assert.Equal(versions.Select(item => item.Name).Order(StringComparer.OrdinalIgnoreCase), versions.Select(item => item.Name));
        Assert.Single(versions.Where(item => IsOrleans(item.Name)).Select(item => item.Version).Distinct());
        SourceTree.AssertNone(versions.SelectMany(item => Faults(item.Name, item.Version)));
    }

    [Fact]
    public void Every_resolved_package_is_stable_and_Orleans_is_one_version()
    {
        var resolved = new SortedSet<(string Name, string Version)>(SourceTree.Find("packages.lock.json").SelectMany(Resolved));

        Assert.Contains(resolved, item => IsOrleans(item.Name));
        SourceTree.AssertNone(resolved.Where(item => !BroughtByTheDashboard.Contains(item.Name)).SelectMany(item => Faults(item.Name, item.Version)));
    }

    [Fact]
    public void Nothing_uses_the_alpha_packages_that_come_with_the_dashboard()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Files
            from use in file.All<UsingDirectiveSyntax>()
            where use.Name?.ToString() is { } name
                && BroughtByTheDashboard.Any(package => name.StartsWith(package["Microsoft.".Length..], StringComparison.Ordinal))
            select $"{file.At(use)} {use.Name} is an alpha of Orleans: build on what is stable");
    }

    [Fact]
    public void Every_project_has_a_lock_file_and_is_in_the_solution()
    {
        var solution = SourceTree.Read(SourceTree.Solution);
        var projects = SourceTree.Find("*.csproj");
        Assert.NotEmpty(projects);
        SourceTree.AssertNone(
            projects.Where(path => !SourceTree.Exists(Path.Combine(Path.GetDirectoryName(path)!, "packages.lock.json"))).Select(path => $"{path} has no packages.lock.json beside it")
                .Concat(projects.Where(path => !solution.Contains($"\"{path.Replace('/', '\\')}\"", StringComparison.Ordinal)).Select(path => $"{path} is not in {SourceTree.Solution}")));
    }

    private static IEnumerable<string> ProductProjects() => SourceTree.Find("*.csproj").Where(path => path.StartsWith("src/", StringComparison.Ordinal));

    private static string Floor(string path) => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))[Prefix.Length..];

    private static IEnumerable<string> References(string path, string kind) =>
        XDocument.Parse(SourceTree.Read(path)).Descendants(kind).Select(item => item.Attribute("Include")!.Value);

    private static bool IsOrleans(string name) => name.StartsWith("Microsoft.Orleans.", StringComparison.Ordinal);

    private static IEnumerable<string> Faults(string name, string version)
    {
        if (!PlainVersion().IsMatch(version))
        {
            yield return $"{name} {version} is not one plain released version";
        }

        if (version.StartsWith("11.", StringComparison.Ordinal) && (name.StartsWith("Microsoft.", StringComparison.Ordinal) || name.StartsWith("System.", StringComparison.Ordinal)))
        {
            yield return $"{name} {version} belongs to .NET 11, this is .NET 10";
        }

        if (IsOrleans(name) && !version.StartsWith("10.4.", StringComparison.Ordinal))
        {
            yield return $"{name} {version} is not Orleans 10.4";
        }
    }

    private static IEnumerable<(string Name, string Version)> Resolved(string lockFile)
    {
        using var document = JsonDocument.Parse(SourceTree.Read(lockFile));
        foreach (var framework in document.RootElement.GetProperty("dependencies").EnumerateObject())
        {
            foreach (var package in framework.Value.EnumerateObject())
            {
                if (package.Value.TryGetProperty("resolved", out var version))
                {
                    yield return (package.Name, version.GetString()!);
                }
            }
        }
    }

    [GeneratedRegex(@"^\d+(\.\d+){1,3}$")]
    private static partial Regex PlainVersion();
}
