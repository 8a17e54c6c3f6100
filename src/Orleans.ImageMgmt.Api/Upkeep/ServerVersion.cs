namespace Orleans.ImageMgmt.Api;

/// <summary>Which program answers.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Commit">The commit it was built from, where the build knew it.</param>
/// <param name="Runtime">The .NET runtime.</param>
/// <param name="OperatingSystem">What it runs on.</param>
/// <param name="Platform">Processor and system, such as <c>linux-x64</c>.</param>
/// <param name="StoreSchema">The newest schema of a database that it can open.</param>
public sealed record ServerVersion(string Version, string? Commit, string Runtime, string OperatingSystem, string Platform, int StoreSchema);
