using System.Diagnostics;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>A small file system of its own, where this user may mount one; else <see cref="TryMount"/> gives null and the test takes its other way.</summary>
internal sealed class ScratchMount : IDisposable
{
    private ScratchMount(string folder) => Folder = folder;

    public string Folder { get; }

    public static ScratchMount? TryMount(string folder, int mebibytes)
    {
        Directory.CreateDirectory(folder);
        return Run("mount", "-t", "tmpfs", "-o", $"size={mebibytes}m", "tmpfs", folder) ? new ScratchMount(folder) : null;
    }

    public void Remount(string options) => Assert.True(Run("mount", "-o", $"remount,{options}", Folder));

    public void Dispose() => Assert.True(Run("umount", "-l", Folder));

    public static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.StandardOutput.ReadToEnd();
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
