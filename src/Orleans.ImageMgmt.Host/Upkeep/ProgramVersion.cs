using System.Reflection;
using System.Runtime.InteropServices;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>What this program is.</summary>
internal static class ProgramVersion
{
    /// <summary>The version and, behind the plus sign, the commit it was built from, where the build knew it.</summary>
    private static readonly string[] Built =
        (typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0").Split('+', 2);

    public static ServerVersion Current { get; } = new()
    {
        Product = "ImageMgmt",
        Version = Built[0],
        Api = "v1",
        Commit = Built.Length > 1 ? Built[1] : null,
        Runtime = $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}",
    };
}
