using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>What is packed is what a stranger's program can be built from: a fresh console project outside the repository, with a local feed and nothing of ours besides.</summary>
public sealed class PackageTests : IDisposable
{
    private static readonly string[] Packages = ["Orleans.ImageMgmt.Api", "Orleans.ImageMgmt.Client", "Orleans.ImageMgmt.Domain"];

    private const string Program = """
        using Microsoft.Extensions.DependencyInjection;
        using Microsoft.Extensions.Hosting;
        using Orleans.ImageMgmt.Api;
        using Orleans.ImageMgmt.Client;
        using Orleans.ImageMgmt.Domain;

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddImageMgmtClient(options =>
        {
            options.Gateways.Add(args[0]);
            options.CertificateFile = Path.Combine(args[1], "client.crt");
            options.KeyFile = Path.Combine(args[1], "client.key");
            options.AuthorityFile = Path.Combine(args[1], "ca.crt");
        });
        using var host = builder.Build();
        await host.StartAsync();
        var client = host.Services.GetRequiredService<ImageMgmtClient>();
        await foreach (var pod in client.ListPodsAsync())
        {
            Console.WriteLine($"{pod.Name} {pod.State} {Routes.Pods}");
        }

        await host.StopAsync();
        """;

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("imgmt-packages-");
    private readonly string version = $"0.1.0-test{Guid.NewGuid():N}"[..20];

    private string Feed => Path.Combine(folder.FullName, "feed");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_fresh_console_project_is_built_from_the_packages_and_calls_a_running_service()
    {
        foreach (var package in Packages)
        {
            (await Finished.RunAsync("dotnet", Root(), "pack", $"src/{package}", "-c", Configuration, "--no-build", "-o", Feed, $"-p:PackageVersion={version}", "-v", "q")).Well();
            AssertIsGood(package);
        }

        await using var service = await ServiceUnderTest.StartAsync();
        await service.PrepareAsync("golden.raw", "pod-1");
        var project = Fresh();
        (await Finished.RunAsync("dotnet", project, "build", "-c", "Release", "-v", "q")).Well();
        var ran = (await Finished.RunAsync("dotnet", project, Path.Combine("bin", "Release", "net10.0", "fresh.dll"), $"127.0.0.1:{service.GatewayPort}", service.Issue("fresh", "viewer"))).Well();
        Assert.Equal(["pod-1 Connected /api/v1/pods"], ran.Lines);
    }

    /// <summary>README, icon, licence, documentation and symbols are in it.</summary>
    private void AssertIsGood(string package)
    {
        using var zip = ZipFile.OpenRead(Path.Combine(Feed, $"{package}.{version}.nupkg"));
        var names = zip.Entries.Select(entry => entry.FullName).ToList();
        foreach (var file in new[] { "README.md", "icon.png", $"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml" })
        {
            Assert.Contains(file, names);
        }

        using var stream = zip.GetEntry($"{package}.nuspec")!.Open();
        var metadata = XDocument.Load(stream).Root!.Elements().Single().Elements().ToLookup(element => element.Name.LocalName, element => element.Value);
        Assert.Equal("MIT", metadata["license"].Single());
        Assert.Equal("README.md", metadata["readme"].Single());
        Assert.Equal("icon.png", metadata["icon"].Single());
        Assert.NotEmpty(metadata["tags"].Single());
        Assert.DoesNotContain("Package Description", metadata["description"].Single(), StringComparison.Ordinal);

        using var symbols = ZipFile.OpenRead(Path.Combine(Feed, $"{package}.{version}.snupkg"));
        Assert.Contains(symbols.Entries, entry => entry.FullName == $"lib/net10.0/{package}.pdb");
    }

    /// <summary>Its own package folder, so that nothing stays in the user's; what others have published comes from the user's, so that nothing is fetched.</summary>
    private string Fresh()
    {
        var project = Directory.CreateDirectory(Path.Combine(folder.FullName, "fresh")).FullName;
        var known = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        File.WriteAllText(Path.Combine(project, "Program.cs"), Program);
        File.WriteAllText(Path.Combine(project, "fresh.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <RestorePackagesPath>{Path.Combine(folder.FullName, "packages")}</RestorePackagesPath>
                <RestoreFallbackFolders>{known}</RestoreFallbackFolders>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Orleans.ImageMgmt.Api" Version="{version}" />
                <PackageReference Include="Orleans.ImageMgmt.Client" Version="{version}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(project, "nuget.config"), $"""
            <configuration>
              <packageSources>
                <clear />
                <add key="local" value="{Feed}" />
              </packageSources>
            </configuration>
            """);
        return project;
    }

    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Name;

    private static string Root()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "Orleans.ImageMgmt.sln")))
        {
            at = at.Parent ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        }

        return at.FullName;
    }
}
