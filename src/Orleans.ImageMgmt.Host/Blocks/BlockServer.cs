using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;
using Orleans.ImageMgmt.Content;

namespace Orleans.ImageMgmt.Host;

/// <summary>The block server: a listener of its own, apart from the service's doors, that gives verified copies to holders of tickets. The same in
/// <c>imgmt serve</c> and in <c>imgmt blocks</c>.</summary>
/// <remarks>HTTP/1.1 alone: large bodies over a few connections are faster so than multiplexed in one.</remarks>
internal sealed class BlockServer : IHostedService, IAsyncDisposable
{
    private readonly BlocksOptions options;
    private readonly Func<PrivateTrust> trust;
    private readonly ILogger log;
    private readonly BlockDesk desk;
    private readonly WebApplication app;
    private readonly SiteEndpoint? site;
    private int disposed;

    /// <param name="options">Where to listen and how much to do at once.</param>
    /// <param name="trust">What this server shows, and whose certificates count.</param>
    /// <param name="open">Opens copies of the pods that this process can reach.</param>
    /// <param name="logging">Log lines.</param>
    /// <param name="time">Clock of tickets and waits.</param>
    /// <param name="calls">Carries out the service's calls for the pods here; null: this server only gives.</param>
    public BlockServer(BlocksOptions options, Func<PrivateTrust> trust, OpenCopy open, ILoggerFactory logging, TimeProvider time, SiteDesk? calls = null)
    {
        (this.options, this.trust, log) = (options, trust, logging.CreateLogger("imgmt.blocks"));
        var tickets = new TicketCheck(signer => trust().Check(signer, asServer: false, CertificateKind.Silo).Name is not null, options.ClockSkew, options.TicketLifeLimit, time);
        desk = new BlockDesk(tickets, open, options.Limits, time);
        app = Build(logging, calls is null ? 0 : options.Calls);
        if (calls is not null)
        {
            site = new SiteEndpoint(calls, trust, options.Calls, log);
            site.Map(app);
        }

        new BlockEndpoints(desk, options.SendTimeout, time, log).Map(app);
    }

    /// <summary>Where it listens; known when it has started.</summary>
    public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>Reads under way and waiting.</summary>
    public int Reads => desk.Reads;

    /// <summary>Bytes read for receivers since the start.</summary>
    public long BytesGiven => desk.BytesGiven;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await app.StartAsync(cancellationToken);
        BlocksLog.Serving(log, Address);
    }

    public Task StopAsync(CancellationToken cancellationToken) => app.StopAsync(cancellationToken);

    /// <summary>May come twice: a container that gives it out under two names disposes it under both.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
        {
            return;
        }

        await app.DisposeAsync();
        await desk.DisposeAsync();
        site?.Dispose();
    }

    private WebApplication Build(ILoggerFactory logging, int calls)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logging);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxRequestBodySize = 0; // every question is a GET
            server.Limits.MaxRequestHeadersTotalSize = 16 << 10;
            server.Limits.MaxRequestHeaderCount = 32;
            server.Limits.MaxRequestLineSize = 8 << 10; // a ticket may stand in it
            server.Limits.RequestHeadersTimeout = options.HeadersTimeout;
            server.Limits.KeepAliveTimeout = options.KeepAliveTimeout;
            server.Limits.MaxConcurrentConnections = options.Connections;
            server.Limits.MaxConcurrentUpgradedConnections = calls;
            server.Limits.MinResponseDataRate = null; // one answer has SendTimeout, whatever its length
            var listen = IPEndPoint.Parse(options.Listen);
            server.Listen(listen, Secure);
        });
        return builder.Build();
    }

    private void Secure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http1;
        var perAddress = new AddressGate(options.ConnectionsPerAddress);
        listen.Use(next => connection => perAddress.RunAsync(connection, next));
        listen.UseHttps(new TlsHandshakeCallbackOptions { HandshakeTimeout = options.HeadersTimeout, OnConnection = _ => ValueTask.FromResult(Handshake()) });
    }

    /// <summary>A certificate is asked for, and one that is shown has to be of our authority. Without any, only the artefact of an address can be had.</summary>
    private SslServerAuthenticationOptions Handshake()
    {
        var current = trust();
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = current.Shown,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, shown, _, _) => shown is null || IsReceiver(current, shown),
            EnabledSslProtocols = SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            AllowRenegotiation = false,
            AllowTlsResume = false, // every connection shows its certificate
        };
    }

    private bool IsReceiver(PrivateTrust current, X509Certificate shown)
    {
        var (name, reason) = current.Check(shown as X509Certificate2, asServer: false, CertificateKind.Silo, CertificateKind.Blocks);
        if (name is null)
        {
            BlocksLog.ReceiverRefused(log, reason);
        }

        return name is not null;
    }
}

/// <summary>Bounds the open connections of one address.</summary>
internal sealed class AddressGate(int limit)
{
    private readonly Lock gate = new();
    private readonly Dictionary<IPAddress, int> open = [];

    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var address = (connection.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None;
        if (!TryEnter(address))
        {
            connection.Abort();
            return;
        }

        try
        {
            await next(connection);
        }
        finally
        {
            Leave(address);
        }
    }

    private bool TryEnter(IPAddress address)
    {
        lock (gate)
        {
            var count = open.GetValueOrDefault(address);
            if (count >= limit)
            {
                return false;
            }

            open[address] = count + 1;
            return true;
        }
    }

    private void Leave(IPAddress address)
    {
        lock (gate)
        {
            if (--open[address] == 0)
            {
                open.Remove(address);
            }
        }
    }
}

internal static partial class BlocksLog
{
    [LoggerMessage(EventId = 8001, Level = LogLevel.Information, Message = "Serving blocks at {Address}")]
    internal static partial void Serving(ILogger logger, Uri address);

    [LoggerMessage(EventId = 8002, Level = LogLevel.Warning, Message = "A receiver of blocks was refused: {Reason}")]
    internal static partial void ReceiverRefused(ILogger logger, string reason);

    [LoggerMessage(EventId = 8003, Level = LogLevel.Information, Message = "{From} was refused blocks: {Code}")]
    internal static partial void Refused(ILogger logger, string from, string code);

    [LoggerMessage(EventId = 8004, Level = LogLevel.Warning, Message = "The connection from {From} was closed: it did not take {Bytes} bytes within {Seconds} s")]
    internal static partial void TooSlow(ILogger logger, string from, int bytes, double seconds);

    [LoggerMessage(EventId = 8005, Level = LogLevel.Warning, Message = "An artefact of {From} ends too early: {Code}")]
    internal static partial void Broken(ILogger logger, string from, string code);
}
