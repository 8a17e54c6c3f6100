using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>A real block server in this process, with a real copy on a pod in a folder, an authority of its own, and receivers who know it.</summary>
internal sealed class BlocksHost : IAsyncDisposable
{
    public const int Mebibyte = 1 << 20;

    public static readonly PodName Pod = new("east");
    public static readonly VersionId Version = new(new ImageName("win"), new VersionName("1.0"));

    private readonly PrivateAuthority authority = PrivateAuthority.Make(null, DoorsHost.Now);
    private readonly List<IDisposable> owned = [];

    private BlocksHost(string root)
    {
        Root = root;
        Receiver = Issue(CertificateName.Silo);
        ServerTrust = new PrivateTrust(Issue(new CertificateName("site-1", CertificateKind.Blocks, "")), authority.Trusted, TimeProvider.System);
        ReceiverTrust = new PrivateTrust(Receiver, authority.Trusted, TimeProvider.System);
    }

    public string Root { get; }

    /// <summary>The server's clock; it stands still unless a test moves it.</summary>
    public FakeTimeProvider Time { get; } = new(DoorsHost.Now);

    /// <summary>The certificate of the silo that receives, and that signs tickets.</summary>
    public X509Certificate2 Receiver { get; }

    public PrivateTrust ServerTrust { get; }

    public PrivateTrust ReceiverTrust { get; }

    public BlockServer Server { get; private set; } = null!;

    public ContentDescription Content { get; private set; } = null!;

    /// <summary>The guest-visible bytes.</summary>
    public byte[] Bytes { get; private set; } = [];

    public string CopyFolder => Path.Combine(Root, "ds", "content-library", "win", "1.0");

    public Uri Address => Server.Address;

    public static async Task<BlocksHost> StartAsync(Action<BlocksOptions>? change = null, int mebibytes = 3)
    {
        var host = new BlocksHost(Directory.CreateTempSubdirectory("imgmt-blocks-").FullName);
        var spec = await host.PrepareAsync(mebibytes);
        var options = new BlocksOptions { Listen = "127.0.0.1:0" };
        change?.Invoke(options);
        Assert.Empty(options.Faults());
        var registry = new ConnectorRegistry([new FilesystemPods(TimeProvider.System)], TimeProvider.System, SilentFaultLog.Instance);
        host.Server = new BlockServer(options, () => host.ServerTrust, PodLibraries.Of([spec], registry).OpenAsync, NullLoggerFactory.Instance, host.Time);
        await host.Server.StartAsync(DoorsHost.Stop);
        return host;
    }

    public X509Certificate2 Issue(CertificateName name) => Owned(authority.Issue(name, PrivateAuthority.LeafLife, DoorsHost.Now));

    /// <summary>A good ticket for the receiver, changed as a test wants.</summary>
    public IssuedTicket Ticket(Func<BlockTicket, BlockTicket>? change = null, X509Certificate2? signer = null)
    {
        var now = Time.GetUtcNow();
        var ticket = new BlockTicket(Guid.NewGuid(), Pod, Version, Content.ManifestDigest, DigestOf(Receiver), TicketUse.Blocks, now, now + TimeSpan.FromMinutes(10));
        return TicketText.Sign(change?.Invoke(ticket) ?? ticket, signer ?? Receiver);
    }

    public static Digest DigestOf(X509Certificate2 certificate) => Digest.FromBytes(SHA256.HashData(certificate.RawData));

    public string RouteTo(string what) => BlockRoutes.Of(Content.ManifestDigest, what);

    /// <summary>Asks with this certificate, or with none.</summary>
    public HttpMessageInvoker Client(PrivateTrust? shown)
    {
        var handler = BlockLink.MakeHandler(() => shown ?? ReceiverTrust);
        if (shown is null)
        {
            handler.SslOptions.LocalCertificateSelectionCallback = null;
        }

        return Owned(new HttpMessageInvoker(handler));
    }

    public Task<HttpResponseMessage> AskAsync(string path, string? ticket, string? range = "bytes=0-99", HttpMessageInvoker? client = null, HttpMethod? method = null)
    {
        var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(Address, path)) { Version = HttpVersion.Version11 };
        if (ticket is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"{BlockRoutes.Scheme} {ticket}");
        }

        if (range is not null)
        {
            request.Headers.TryAddWithoutValidation("Range", range);
        }

        return (client ?? Client(ReceiverTrust)).SendAsync(request, DoorsHost.Stop);
    }

    /// <summary>Status and code of an answer that is a refusal.</summary>
    public static async Task<(int Status, string Code)> RefusalOf(Task<HttpResponseMessage> asked)
    {
        using var answer = await asked;
        var body = await answer.Content.ReadAsStringAsync(DoorsHost.Stop);
        Assert.True(answer.Content.Headers.ContentType?.MediaType == "application/problem+json", $"{(int)answer.StatusCode}: {body}");
        var problem = JsonDocument.Parse(body).RootElement;
        Assert.NotEmpty(problem.GetProperty("detail").GetString()!);
        return ((int)answer.StatusCode, problem.GetProperty("code").GetString()!);
    }

    public Task<HttpContentReader> ReaderAsync(BlockCallOptions? options = null) => HttpContentReader.OpenAsync(
        new BlockSource(Address, Content.ManifestDigest, _ => ValueTask.FromResult(Ticket())), Client(ReceiverTrust), options ?? new BlockCallOptions(), TimeProvider.System, DoorsHost.Stop);

    /// <summary>The copy's file itself.</summary>
    public async Task<LocalContentReader> LocalAsync()
    {
        var manifest = ContentManifest.Decode(await File.ReadAllBytesAsync(Path.Combine(CopyFolder, "manifest.bin"), DoorsHost.Stop));
        return new LocalContentReader(File.OpenHandle(Path.Combine(CopyFolder, "disk.raw")), manifest);
    }

    /// <summary>Reads everything as a transfer does, and compares it.</summary>
    public async Task AssertServesAllAsync()
    {
        await using var reader = await ReaderAsync();
        var bytes = new byte[Bytes.Length];
        await reader.ReadAsync(0, bytes, DoorsHost.Stop);
        Assert.Equal(SHA256.HashData(Bytes), SHA256.HashData(bytes));
    }

    /// <summary>A connection with the receiver's certificate, on which anything may be written and nothing has to be read.</summary>
    public async Task<(TcpClient Connection, SslStream Stream)> RawAsync()
    {
        var connection = Owned(new TcpClient { ReceiveBufferSize = 4096 });
        try
        {
            await connection.ConnectAsync(IPAddress.Loopback, Address.Port, DoorsHost.Stop);
        }
        catch (SocketException reset)
        {
            throw new IOException(reset.Message, reset); // closed by the server before the connect was told: an end like any other
        }

        var stream = Owned(new SslStream(connection.GetStream()));
        await stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                EnabledSslProtocols = SslProtocols.Tls13,
                LocalCertificateSelectionCallback = (_, _, _, _, _) => Receiver,
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() == ServerTrust.Own.GetCertHashString(),
            },
            DoorsHost.Stop);
        return (connection, stream);
    }

    /// <summary>The address under which a platform fetches the artefact.</summary>
    public string ArtefactPath() =>
        $"{RouteTo(BlockRoutes.Artefact)}?{BlockRoutes.TicketQuery}={Ticket(t => t with { Use = TicketUse.Artefact, Receiver = null }).Text}";

    public async ValueTask DisposeAsync()
    {
        owned.ForEach(thing => thing.Dispose());
        await Server.StopAsync(CancellationToken.None);
        await Server.DisposeAsync();
        Directory.Delete(Root, recursive: true);
    }

    private T Owned<T>(T thing) where T : IDisposable
    {
        owned.Insert(0, thing);
        return thing;
    }

    /// <summary>A pod whose library holds one copy: random bytes, and one mebibyte of zeros.</summary>
    private async Task<PodSpec> PrepareAsync(int mebibytes)
    {
        Bytes = new byte[(mebibytes * Mebibyte) - 512];
        new Random(7).NextBytes(Bytes);
        Bytes.AsSpan(Mebibyte, Mebibyte).Clear();
        var (sources, datastore) = (Directory.CreateDirectory(Path.Combine(Root, "sources")).FullName, Directory.CreateDirectory(Path.Combine(Root, "ds")).FullName);
        await File.WriteAllBytesAsync(Path.Combine(sources, "win.raw"), Bytes, DoorsHost.Stop);
        var spec = new PodSpec(Pod, "filesystem", new Dictionary<string, string> { ["datastore.ds"] = datastore, ["sources"] = sources }, new Dictionary<string, string>(), 2);
        var made = new FilesystemPods(TimeProvider.System).Create(spec);
        await using var connector = Assert.IsType<ConnectorResult<IPodConnector>.Done>(made).Value;
        var prepared = await connector.PrepareAsync(new CopyOrder(Version, new Generation(1), 1), new SourceRef("win.raw", null, SourceFormat.Raw), SilentObserver.Instance, DoorsHost.Stop);
        Content = Assert.IsType<ConnectorResult<PreparedCopy>.Done>(prepared).Value.Content;
        return spec;
    }
}
