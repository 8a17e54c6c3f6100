using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>
/// How requests travel: no redirects (a token would go along), no proxy to this machine itself, a private authority where one is named, a limit on the
/// wait for an answer, and a second look at the local server's file when it has moved to another port.
/// </summary>
internal sealed class Wire : DelegatingHandler
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);
    private readonly TimeSpan answerLimit;
    private readonly string? endpointFile;
    private Uri? moved;

    private Wire(HttpMessageHandler inner, string? endpointFile, TimeSpan answerLimit)
        : base(inner) => (this.endpointFile, this.answerLimit) = (endpointFile, answerLimit);

    public static ImageMgmtHttpClient Client(Connection connection, TimeSpan answerLimit, TimeProvider time)
    {
        var sockets = new SocketsHttpHandler { ConnectTimeout = ConnectLimit < answerLimit ? ConnectLimit : answerLimit, AllowAutoRedirect = false, UseProxy = !connection.Url.IsLoopback };
        if (connection.CaFile is { } caFile)
        {
            sockets.SslOptions.CertificateChainPolicy = Trusting(caFile);
        }

        var http = new HttpClient(new Wire(sockets, connection.EndpointFile, answerLimit)) { BaseAddress = connection.Url, Timeout = Timeout.InfiniteTimeSpan };
        http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("imgctl", Imgctl.Version));
        if (connection.Token is { } token)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return new ImageMgmtHttpClient(http, time);
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (moved is not null)
        {
            request.RequestUri = new Uri(moved, request.RequestUri!.PathAndQuery);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (request.Method != HttpMethod.Patch) // a piece of an upload takes as long as the line needs
        {
            limit.CancelAfter(answerLimit);
        }

        try
        {
            return await base.SendAsync(request, limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new HttpRequestException(HttpRequestError.Unknown, $"no answer within {answerLimit.TotalSeconds:0} s");
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
