using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content.Formats;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Formats;

/// <summary>A folder of disk files made by QEMU's own tools, gone when the test ends.</summary>
internal sealed class ImageFolder : IDisposable
{
    private const int UnluckyRuns = 20;

    private readonly string root = Directory.CreateTempSubdirectory("imagemgmt-formats-").FullName;

    public string PathOf(string name) => Path.Combine(root, name);

    /// <summary>Runs one command line in the folder; arguments are separated by single spaces, and a <c>~</c> stands for a space inside one.</summary>
    /// <remarks>To choose how hard a key is to derive, QEMU measures the processor time of a short run, and gives up where the kernel has booked none of it
    /// yet: that is tried again.</remarks>
    public void Run(string commandLine)
    {
        for (var left = UnluckyRuns; ; left--)
        {
            var (code, said) = Try(commandLine);
            if (code != 0 && left > 0 && said.Contains("Unable to get accurate CPU usage", StringComparison.Ordinal))
            {
                continue;
            }

            Assert.True(code == 0, $"'{commandLine}' ended with {code}: {said}");
            return;
        }
    }

    private (int Code, string Said) Try(string commandLine)
    {
        var words = commandLine.Split(' ').Select(static word => word.Replace('~', ' ')).ToArray();
        var start = new ProcessStartInfo(words[0], words[1..]) { WorkingDirectory = root, RedirectStandardError = true, RedirectStandardOutput = true };
        try
        {
            using var process = Process.Start(start)!;
            var output = new StringBuilder();
            process.OutputDataReceived += (_, line) => output.AppendLine(line.Data);
            process.BeginOutputReadLine();
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, $"{errors}{output}");
        }
        catch (Win32Exception)
        {
            throw new InvalidOperationException($"'{words[0]}' is not installed. These tests compare with QEMU's own tools: install the Debian package qemu-utils.");
        }
    }

    public byte[] WriteRaw(string name, byte[] content)
    {
        File.WriteAllBytes(PathOf(name), content);
        return content;
    }

    public SafeFileHandle OpenFile(string name) => File.OpenHandle(PathOf(name));

    /// <summary>Overwrites bytes of a file, or as many of them as <paramref name="hex"/> has digits for.</summary>
    public void Patch(string name, long offset, string hex)
    {
        using var file = File.OpenHandle(PathOf(name), FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.Write(file, Convert.FromHexString(hex), offset);
    }

    public void Truncate(string name, long length)
    {
        using var file = File.Open(PathOf(name), FileMode.Open);
        file.SetLength(length);
    }

    /// <summary>Opens and reads everything; what the format refuses comes out.</summary>
    public DiskFormatException Refusal(string name, SourceFormat? expected = null)
    {
        using var file = OpenFile(name);
        var error = Assert.Throws<DiskFormatException>(() =>
        {
            using var image = DiskImages.Open(file, expected);
            var buffer = new byte[1 << 20];
            for (var range = image.NextData(0); range is { } found; range = image.NextData(found.End))
            {
                for (var offset = found.Offset; offset < found.End;)
                {
                    offset += image.Read(offset, buffer);
                }
            }
        });
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        return error;
    }

    public void Dispose() => Directory.Delete(root, recursive: true);
}
