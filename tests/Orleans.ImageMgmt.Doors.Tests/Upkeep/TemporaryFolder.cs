namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Removed with everything in it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("imgmt-upkeep-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
