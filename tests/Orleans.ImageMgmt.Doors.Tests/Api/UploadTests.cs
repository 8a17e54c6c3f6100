using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Api;

/// <summary>Goal: a disk on the user's own machine becomes a source, whatever happens on the way, and never half of it. Method: a real server, real files, cut connections.</summary>
public sealed class UploadTests
{
    private const int Length = 3 << 20;

    [Fact]
    public async Task A_disk_is_uploaded_imported_and_is_the_same_disk()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ConnectAsync("source");
        var (bytes, digest) = Disk();
        var begun = await host.Client.BeginUploadAsync("source", new UploadRequest { Name = "mine.raw", LengthBytes = Length, Sha256 = digest }, host.Stop);
        var done = await host.Client.SendUploadAsync(begun.Id, new MemoryStream(bytes), cancellationToken: host.Stop);
        Assert.Equal((UploadState.Completed, (long)Length, "sha256:" + digest), (done.State, done.OffsetBytes, done.Sha256));
        Assert.Equal("mine.raw", Assert.Single(await host.Client.AllSourcesAsync("source", host.Stop).ToListAsync(host.Stop)).Path);

        await host.Client.ImportAsync("win", new ImportRequest { Pod = "source", Source = "mine.raw" }, "import-1", host.Stop);
        Assert.Equal(OperationState.Succeeded, (await host.EndOfAsync("import-1")).State);
        Assert.Equal("sha256:" + digest, (await host.Client.GetVersionAsync("win", "1.0", host.Stop)).Content!.Digest);
        Assert.Contains("upload.completed", await host.Client.AllActivityAsync(new ActivityFilter { Pod = "source" }, host.Stop).Select(l => l.Action).ToListAsync(host.Stop));
    }

    [Fact]
    public async Task An_upload_that_was_cut_goes_on_where_it_stopped_even_after_a_restart()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ConnectAsync("source");
        var (bytes, digest) = Disk();
        var begun = await host.Client.BeginUploadAsync("source", new UploadRequest { Name = "mine.raw", LengthBytes = Length, Sha256 = digest }, host.Stop);
        await SendHalfAndVanishAsync(host, begun.Id, bytes);
        var cut = await host.UntilAsync(() => host.Client.GetUploadAsync(begun.Id, host.Stop), u => u.OffsetBytes > 0);
        Assert.True(cut.OffsetBytes < Length);
        Assert.Empty(await host.Client.AllSourcesAsync("source", host.Stop).ToListAsync(host.Stop));

        await host.RestartAsync();
        var kept = await host.UntilAsync(() => host.Client.GetUploadAsync(begun.Id, host.Stop), u => u.OffsetBytes >= cut.OffsetBytes);
        var heard = new Heard();
        Assert.Equal(UploadState.Completed, (await host.Client.SendUploadAsync(begun.Id, new MemoryStream(bytes), heard, host.Stop)).State);
        Assert.Equal(kept.OffsetBytes, heard.First); // not from the beginning
        Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(Path.Combine(host.Sources, "mine.raw"), host.Stop))));
    }

    [Fact]
    public async Task An_upload_that_nobody_continues_is_thrown_away_with_its_bytes_and_a_later_piece_gets_a_clear_answer()
    {
        List<string> settings = ["Http:UploadIdle=24h"];
        await using var host = await PodsHost.StartAsync(settings);
        await host.ConnectAsync("source");
        var (bytes, _) = Disk();
        var begun = await host.Client.BeginUploadAsync("source", new UploadRequest { Name = "mine.raw", LengthBytes = Length }, host.Stop);
        await host.Client.SendUploadPieceAsync(begun.Id, 0, new MemoryStream(bytes, 0, Length / 2), host.Stop);
        var folder = Path.Combine(host.Sources, ".imgmt-uploads");
        Assert.Equal(Length / 2, Directory.EnumerateFiles(folder, "*.part").Sum(file => new FileInfo(file).Length));

        settings[0] = "Http:UploadIdle=1s";
        await host.RestartAsync(); // nobody asks for the upload any more: the service itself has to look

        await host.UntilAsync(() => Task.FromResult(Directory.EnumerateFiles(folder).Count()), left => left == 0);
        var late = await Assert.ThrowsAsync<ProblemException>(() => host.Client.SendUploadPieceAsync(begun.Id, Length / 2, new MemoryStream(bytes, Length / 2, Length / 2), host.Stop));
        Assert.Equal((HttpStatusCode.NotFound, "upload.unknown"), (late.StatusCode, late.Code));
        Assert.Contains("rests too long", late.Hint, StringComparison.Ordinal);
        Assert.Empty(await host.Client.AllSourcesAsync("source", host.Stop).ToListAsync(host.Stop));
    }

    [Fact]
    public async Task Wrong_bytes_wrong_lengths_and_wrong_places_are_refused_and_nothing_appears()
    {
        await using var host = await PodsHost.StartAsync("Http:UploadsPerPod=2");
        await host.ConnectAsync("source");
        var (bytes, _) = Disk();
        var wrong = await host.Client.BeginUploadAsync("source", new UploadRequest { Name = "a.raw", LengthBytes = Length, Sha256 = new string('0', 64) }, host.Stop);
        Assert.Equal("upload.wrong-digest", await CodeAsync(() => host.Client.SendUploadPieceAsync(wrong.Id, 0, new MemoryStream(bytes), host.Stop)));
        Assert.Equal("upload.unknown", await CodeAsync(() => host.Client.GetUploadAsync(wrong.Id, host.Stop)));

        var small = await host.Client.BeginUploadAsync("source", new UploadRequest { Name = "b.raw", LengthBytes = 10 }, host.Stop);
        Assert.Equal("upload.too-long", await CodeAsync(() => host.Client.SendUploadPieceAsync(small.Id, 0, new MemoryStream(new byte[11]), host.Stop)));
        Assert.Equal("upload.wrong-offset", await CodeAsync(() => host.Client.SendUploadPieceAsync(small.Id, 5, new MemoryStream(new byte[5]), host.Stop)));
        Assert.Equal("upload.bad-name", await CodeAsync(() => host.Client.BeginUploadAsync("source", new UploadRequest { Name = "../b.raw", LengthBytes = 1 }, host.Stop)));
        Assert.Equal("upload.bad-name", await CodeAsync(() => host.Client.BeginUploadAsync("source", new UploadRequest { Name = ".imgmt-uploads", LengthBytes = 1 }, host.Stop)));
        Assert.Equal("upload.no-room", await CodeAsync(() => host.Client.BeginUploadAsync("source", new UploadRequest { Name = "c.raw", LengthBytes = 1L << 45 }, host.Stop)));
        await host.Client.BeginUploadAsync("source", new UploadRequest { Name = "d.raw", LengthBytes = 1 }, host.Stop);
        Assert.Equal("upload.too-many", await CodeAsync(() => host.Client.BeginUploadAsync("source", new UploadRequest { Name = "e.raw", LengthBytes = 1 }, host.Stop)));
        await host.Client.DeleteUploadAsync(small.Id, host.Stop);
        Assert.Empty(await host.Client.AllSourcesAsync("source", host.Stop).ToListAsync(host.Stop));
        Assert.Equal("pod.unknown", await CodeAsync(() => host.Client.BeginUploadAsync("rome", new UploadRequest { Name = "a.raw", LengthBytes = 1 }, host.Stop)));
        host.MakeSource("there.raw", 1);
        Assert.Equal("upload.name-taken", await CodeAsync(() => host.Client.BeginUploadAsync("source", new UploadRequest { Name = "there.raw", LengthBytes = 1 }, host.Stop)));
    }

    /// <summary>Announces everything, sends a third, and closes the connection without a word.</summary>
    private static async Task SendHalfAndVanishAsync(PodsHost host, string upload, byte[] bytes)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, host.Address.Port, host.Stop);
        socket.LingerState = new LingerOption(true, 0);
        var stream = socket.GetStream();
        var head = $"PATCH {Routes.Fill(Routes.Upload, upload)} HTTP/1.1\r\nHost: {host.Address.Authority}\r\nAuthorization: {host.Http.DefaultRequestHeaders.Authorization}\r\n"
            + $"Content-Type: application/octet-stream\r\nUpload-Offset: 0\r\nContent-Length: {bytes.Length}\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head), host.Stop);
        await stream.WriteAsync(bytes.AsMemory(0, bytes.Length / 3), host.Stop);
        await stream.FlushAsync(host.Stop);
        await host.UntilAsync(() => Task.FromResult(Directory.EnumerateFiles(Path.Combine(host.Sources, ".imgmt-uploads"), "*.part").Max(f => new FileInfo(f).Length)), length => length > 0);
    }

    private static (byte[] Bytes, string Digest) Disk()
    {
        var bytes = new byte[Length];
        new Random(7).NextBytes(bytes);
        return (bytes, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    private static async Task<string> CodeAsync(Func<Task> request) => (await Assert.ThrowsAsync<ProblemException>(request)).Code;

    private sealed class Heard : IProgress<long>
    {
        public long? First { get; private set; }

        public void Report(long value) => First ??= value;
    }
}
