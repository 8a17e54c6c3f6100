using System.Reflection;
using System.Runtime.InteropServices;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>What this program is.</summary>
internal static class ProgramVersion
{
    /// <summary>The version and, behind the plus sign, the commit it was built from, where the build knew it.</summary>
    private static readonly string[] Built =
        (typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0").Split('+', 2);

    public static ServerVersion Current { get; } = new(
        Built[0],
        Built.Length > 1 ? Built[1] : null,
        RuntimeInformation.FrameworkDescription,
        RuntimeInformation.OSDescription.Trim(),
        RuntimeInformation.RuntimeIdentifier,
        EmbeddedStore.NewestSchema);
}
