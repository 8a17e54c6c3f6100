using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// How requests travel: no redirects (a token would go along), no proxy to this machine itself, a private authority where one is named, and a second look
/// at the local server's file when it has moved to another port.
/// </summary>
internal sealed class Wire : DelegatingHandler
{
    /// <summary>Bytes of an answer that is no stream: a page of the largest rows fits many times.</summary>
    private const int AnswerBytes = 64 << 20;

    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);
    private readonly string? endpointFile;
    private Uri? moved;

    private Wire(HttpMessageHandler inner, string? endpointFile)
        : base(inner) => this.endpointFile = endpointFile;

    public static ImageMgmtHttpClient Client(Connection connection, TimeSpan answerLimit, TimeProvider time)
    {
        var sockets = new SocketsHttpHandler { ConnectTimeout = ConnectLimit < answerLimit ? ConnectLimit : answerLimit, AllowAutoRedirect = false, UseProxy = !connection.Url.IsLoopback };
        if (connection.CaFile is { } caFile)
        {
            sockets.SslOptions.CertificateChainPolicy = Trusting(caFile);
        }

        var http = new HttpClient(new Wire(sockets, connection.EndpointFile))
        {
            BaseAddress = connection.Url,
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = AnswerBytes,
        };
        http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("imgctl", Imgctl.Version));
        if (connection.Token is { } token)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return new ImageMgmtHttpClient(http, time) { AnswerLimit = answerLimit };
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (moved is not null)
        {
            request.RequestUri = new Uri(moved, request.RequestUri!.PathAndQuery);
        }

        try
        {
            return await base.SendAsync(request, cancellationToken);
        }
        catch (HttpRequestException) when (endpointFile is not null)
        {
            moved = Connection.ReadEndpoint(endpointFile) ?? moved;
            throw;
        }
    }

    private static X509ChainPolicy Trusting(string caFile)
    {
        try
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(caFile);
            return policy.CustomTrustStore.Count > 0 ? policy : throw CliProblem.Usage($"The file {caFile} holds no certificate in PEM form.");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CliProblem(ExitCodes.Usage, $"The certificate file {caFile} cannot be used: {problem.Message}", inner: problem);
        }
    }
}
