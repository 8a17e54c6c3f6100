using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>Somebody who can reach a port and speaks TLS, with a certificate or without, but is not Orleans.</summary>
internal sealed class RawCaller : IAsyncDisposable
{
    /// <summary>Longer than a handshake may take.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly TcpClient client = new();
    private readonly CancellationTokenSource limit = new(Limit, TimeProvider.System);
    private Stream? stream;

    /// <summary>Connects without TLS.</summary>
    public static async Task<RawCaller> PlainAsync(int port)
    {
        var caller = new RawCaller();
        await caller.client.ConnectAsync(IPAddress.Loopback, port, caller.limit.Token);
        caller.stream = caller.client.GetStream();
        return caller;
    }

    /// <summary>Connects with TLS. Under TLS 1.3 a caller sees its refusal only when it reads, so a handshake that seems to end well proves nothing.</summary>
    public static async Task<RawCaller> TlsAsync(int port, X509Certificate2? certificate, SslProtocols protocols = SslProtocols.Tls13)
    {
        var caller = await PlainAsync(port);
        var secure = new SslStream(caller.stream!, leaveInnerStreamOpen: false);
        caller.stream = secure;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "imgmt-silo",
            EnabledSslProtocols = protocols,
            RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null, // who answers is not what is tested
            ClientCertificateContext = certificate is null ? null : SslStreamCertificateContext.Create(certificate, null, offline: true),
        };
        try
        {
            await secure.AuthenticateAsClientAsync(options, caller.limit.Token);
        }
        catch (Exception refused) when (refused is AuthenticationException or IOException)
        {
            await secure.DisposeAsync();
            caller.stream = null;
        }

        return caller;
    }

    /// <summary>Sends some bytes and counts what comes back before the connection ends or something came: 0 = nothing.</summary>
    public async Task<int> HearAsync(byte[] say)
    {
        if (stream is null)
        {
            return 0;
        }

        try
        {
            await stream.WriteAsync(say, limit.Token);
            await stream.FlushAsync(limit.Token);
            return await stream.ReadAsync(new byte[1024], limit.Token);
        }
        catch (IOException)
        {
            return 0; // reset, or refused by an alert: closed all the same
        }
    }

    public async Task AssertHearsNothingAsync(byte[] say) => Assert.Equal(0, await HearAsync(say));

    public async ValueTask DisposeAsync()
    {
        if (stream is not null)
        {
            await stream.DisposeAsync();
        }

        client.Dispose();
        limit.Dispose();
    }
}
