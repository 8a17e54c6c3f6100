namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>Which program answers, and which version of this API it speaks.</summary>
    public Task<ServerVersion> GetServerVersionAsync(CancellationToken cancellationToken = default) => GetAsync<ServerVersion>(Routes.ServerVersion, cancellationToken);

    /// <summary>How the service is: its checks, what is in it in numbers, and what is going on.</summary>
    public Task<ServerStatus> GetServerStatusAsync(CancellationToken cancellationToken = default) => GetAsync<ServerStatus>(Routes.ServerStatus, cancellationToken);

    /// <summary>Makes a backup on the server's machine while the service runs.</summary>
    public Task<BackupResource> CreateBackupAsync(BackupRequest? request = null, CancellationToken cancellationToken = default) =>
        SendAsync<BackupResource>(HttpMethod.Post, Routes.Backups, request ?? new BackupRequest(), default, cancellationToken);

    /// <summary>Writes a support bundle (an archive without secrets) to a stream.</summary>
    public async Task DownloadSupportBundleAsync(Stream destination, CancellationToken cancellationToken = default)
    {
        using var request = Make(HttpMethod.Get, Routes.SupportBundle, null, default);
        request.Headers.TryAddWithoutValidation("Accept", "*/*");
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await ThrowIfRefusedAsync(answer, cancellationToken);
        await answer.Content.CopyToAsync(destination, cancellationToken);
    }
}
