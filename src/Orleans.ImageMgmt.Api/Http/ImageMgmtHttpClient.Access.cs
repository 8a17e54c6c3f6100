namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>Who the client's token says it is.</summary>
    public Task<MeResource> GetMeAsync(CancellationToken cancellationToken = default) => GetAsync<MeResource>(Routes.Me, cancellationToken);

    /// <summary>One page of tokens, by name.</summary>
    public Task<Page<TokenResource>> ListTokensAsync(PageRequest? page = null, CancellationToken cancellationToken = default) =>
        GetAsync<Page<TokenResource>>(new QueryText(Routes.Tokens).Add(page).ToString(), cancellationToken);

    /// <summary>All tokens, by name, revoked ones included; the next page is asked for when it is needed.</summary>
    public IAsyncEnumerable<TokenResource> AllTokensAsync(CancellationToken cancellationToken = default) => AllAsync(ListTokensAsync, cancellationToken);

    /// <summary>Makes a token; its text is in the answer and never again.</summary>
    public Task<CreatedToken> CreateTokenAsync(CreateTokenRequest request, CancellationToken cancellationToken = default) =>
        SendAsync<CreatedToken>(HttpMethod.Post, Routes.Tokens, request, default, cancellationToken);

    /// <summary>Makes a token useless at once.</summary>
    public Task RevokeTokenAsync(string token, string? reason = null, CancellationToken cancellationToken = default) =>
        SendAsync(HttpMethod.Delete, new QueryText(Routes.Fill(Routes.Token, token)).Add("reason", reason).ToString(), null, default, cancellationToken);
}
