using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Goal: what a newcomer runs first works, can be repeated, leaves nothing, and says what is wrong when something is.</summary>
[Collection("servers")]
public sealed partial class DemoTests : IDisposable
{
    private const int DiskBytes = 40 << 20;

    private readonly string folder = Directory.CreateTempSubdirectory("imgmt-demo-test-").FullName;

    private string Disk => Path.Combine(folder, "own.raw");

    private string Place => Path.Combine(folder, "demo");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task The_demo_ends_with_five_identical_digests_leaves_nothing_and_can_be_repeated()
    {
        var digest = MakeDisk();
        for (var run = 0; run < 2; run++)
        {
            await using var demo = ImgmtProcess.Start("demo", "--disk", Disk, "--folder", Place);

            Assert.True(await demo.ExitAsync() == 0, demo.ToString());
            Assert.Contains(demo.Lines, line => line.StartsWith("Win10POS version 1.0: Deployment Complete", StringComparison.Ordinal));
            Assert.Contains(demo.Lines, line => line.StartsWith("Win10POS version 1.0: Available on 4 of 4", StringComparison.Ordinal));
            Assert.Contains(demo.Lines, line => line.Contains("fault on purpose at pod flaky-pod-5", StringComparison.Ordinal));
            var shown = demo.Lines.Select(line => PodDigest().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value).ToList();
            Assert.Equal(Enumerable.Repeat(digest, 5), shown);
            Assert.True(!Directory.Exists(Place) || !Directory.EnumerateFileSystemEntries(Place).Any(), "The demo left something behind.");
            Assert.Empty(demo.Errors);
        }
    }

    [Fact]
    public async Task A_foreign_folder_is_refused_and_left_as_it_is()
    {
        MakeDisk();
        Directory.CreateDirectory(Place);
        var mine = Path.Combine(Place, "mine.txt");
        await File.WriteAllTextAsync(mine, "mine", TestContext.Current.CancellationToken);

        await using var demo = ImgmtProcess.Start("demo", "--disk", Disk, "--folder", Place);

        Assert.Equal(2, await demo.ExitAsync());
        ServiceTests.AssertOneSentence(demo, "imgmt: The folder ");
        Assert.Equal("mine", await File.ReadAllTextAsync(mine, TestContext.Current.CancellationToken));
        Assert.Single(Directory.EnumerateFileSystemEntries(Place));
    }

    [Theory]
    [InlineData("missing.raw")]
    [InlineData("folder.raw")]
    public async Task A_disk_that_cannot_be_read_is_one_sentence(string name)
    {
        Directory.CreateDirectory(Path.Combine(folder, "folder.raw"));

        await using var demo = ImgmtProcess.Start("demo", "--disk", Path.Combine(folder, name), "--folder", Place);

        Assert.Equal(2, await demo.ExitAsync());
        ServiceTests.AssertOneSentence(demo, "imgmt: ");
        Assert.Contains(name, demo.Errors[0], StringComparison.Ordinal);
        Assert.False(Directory.Exists(Place));
    }

    [Fact]
    public async Task A_disk_that_there_is_no_room_for_is_refused_before_a_byte_of_it_is_copied()
    {
        using (var file = new FileStream(Disk, FileMode.CreateNew))
        {
            file.SetLength(8L << 40); // a hole: nothing but its length
        }

        await using var demo = ImgmtProcess.Start("demo", "--disk", Disk, "--folder", Place);

        Assert.Equal(2, await demo.ExitAsync());
        ServiceTests.AssertOneSentence(demo, "imgmt: The demo needs ");
        Assert.False(Directory.Exists(Place));
    }

    [Fact]
    public async Task A_disk_that_is_not_what_it_claims_is_refused_with_the_reason()
    {
        var bad = Path.Combine(folder, "bad.qcow2");
        await File.WriteAllBytesAsync(bad, [.. "QFI\xfb"u8[..3], 0xfb, .. new byte[4096]], TestContext.Current.CancellationToken);

        await using var demo = ImgmtProcess.Start("demo", "--disk", bad, "--folder", Place);

        Assert.NotEqual(0, await demo.ExitAsync());
        Assert.Single(demo.Lines, line => line.Contains("prepare.source-unusable", StringComparison.Ordinal) && line.Contains("offset", StringComparison.Ordinal));
        Assert.Empty(demo.Errors);
        Assert.False(Directory.Exists(Place));
    }

    private string MakeDisk()
    {
        var bytes = new byte[DiskBytes];
        new Random(11).NextBytes(bytes);
        File.WriteAllBytes(Disk, bytes);
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    [GeneratedRegex("^  [a-z0-9-]+ +(?:sha256:)?([0-9a-f]{64})$")]
    private static partial Regex PodDigest();
}
