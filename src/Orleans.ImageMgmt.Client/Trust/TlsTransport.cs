using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Client;

/// <summary>Mutual TLS 1.3 around an Orleans connection: a handshake in which each side checks the other, then Orleans over it.</summary>
internal sealed partial class TlsTransport(Func<PrivateTrust> trust, TimeProvider time, ILogger logger)
{
    /// <summary>Longest time a handshake may take. Default: 10 s.</summary>
    public TimeSpan HandshakeLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Handshakes under way at once; a connection beyond is closed. Default: 256: bounds what strangers can make a port hold.</summary>
    public int HandshakesAtOnce { get; init; } = 256;

    private int handshakes;

    /// <summary>Answers a connection; only a peer of a wanted kind gets through to <paramref name="next"/>.</summary>
    /// <param name="connection">As it was accepted.</param>
    /// <param name="wanted">What the other side may be.</param>
    /// <param name="next">Is given the checked peer.</param>
    public Task AnswerAsync(ConnectionContext connection, CertificateKind[] wanted, Func<CertificateName, Task> next) =>
        RunAsync(connection, wanted, otherIsServer: false, (stream, own, check, limit) => stream.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificateContext = own.Shown,
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = check,
                EnabledSslProtocols = SslProtocols.Tls13,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                AllowRenegotiation = false,
                AllowTlsResume = false, // every connection shows its certificate
            },
            limit), next);

    /// <summary>Calls a silo; only a silo of the same authority gets through to <paramref name="next"/>.</summary>
    public Task CallAsync(ConnectionContext connection, Func<CertificateName, Task> next) =>
        RunAsync(connection, [CertificateKind.Silo], otherIsServer: true, (stream, own, check, limit) => stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = CertificateName.SiloHost,
                ClientCertificateContext = own.Shown,
                RemoteCertificateValidationCallback = check,
                EnabledSslProtocols = SslProtocols.Tls13,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                AllowRenegotiation = false,
                AllowTlsResume = false,
            },
            limit), next);

    private delegate Task Handshake(SslStream stream, PrivateTrust own, RemoteCertificateValidationCallback check, CancellationToken limit);

    private async Task RunAsync(ConnectionContext connection, CertificateKind[] wanted, bool otherIsServer, Handshake handshake, Func<CertificateName, Task> next)
    {
        var plain = connection.Transport;
        await using var stream = new SslStream(new PipePairStream(plain), leaveInnerStreamOpen: false);
        if (await ShakeAsync(connection, stream, wanted, otherIsServer, handshake) is not { } peer)
        {
            connection.Abort(new ConnectionAbortedException("The other side of this connection has no business here."));
            return;
        }

        var secure = new StreamPipes(PipeReader.Create(stream, new(leaveOpen: true)), PipeWriter.Create(stream, new(leaveOpen: true)));
        connection.Transport = secure;
        try
        {
            await next(peer);
        }
        finally
        {
            await secure.Input.CompleteAsync();
            await secure.Output.CompleteAsync();
            connection.Transport = plain;
        }
    }

    private async Task<CertificateName?> ShakeAsync(ConnectionContext connection, SslStream stream, CertificateKind[] wanted, bool otherIsServer, Handshake handshake)
    {
        CertificateName? peer = null;
        var reason = "it did not speak TLS 1.3";
        var own = trust();
        using var limit = new CancellationTokenSource(HandshakeLimit, time);
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, connection.ConnectionClosed);
        try
        {
            if (Interlocked.Increment(ref handshakes) > HandshakesAtOnce)
            {
                reason = "too many handshakes are under way";
                return null;
            }

            await handshake(stream, own, (_, certificate, _, _) =>
            {
                (peer, reason) = own.Check(certificate as X509Certificate2, otherIsServer, wanted);
                return peer is not null;
            }, closing.Token);
            return peer;
        }
        catch (Exception problem) when (problem is AuthenticationException or IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException)
        {
            peer = null;
            return null;
        }
        finally
        {
            Interlocked.Decrement(ref handshakes);
            if (peer is null)
            {
                Refused(logger, connection.RemoteEndPoint, limit.IsCancellationRequested ? "it took too long" : reason);
            }
        }
    }

    private sealed record StreamPipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    [LoggerMessage(EventId = 4001, Level = LogLevel.Warning, Message = "A connection from {From} was refused: {Reason}.")]
    private static partial void Refused(ILogger logger, System.Net.EndPoint? from, string reason);
}
