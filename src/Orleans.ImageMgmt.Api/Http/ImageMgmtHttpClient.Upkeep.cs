namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    private const int BundleBuffer = 1 << 16;

    /// <summary>Which program answers, and which version of this API it speaks.</summary>
    public Task<ServerVersion> GetServerVersionAsync(CancellationToken cancellationToken = default) => GetAsync<ServerVersion>(Routes.ServerVersion, cancellationToken);

    /// <summary>How the service is: its checks, what is in it in numbers, and what is going on.</summary>
    public Task<ServerStatus> GetServerStatusAsync(CancellationToken cancellationToken = default) => GetAsync<ServerStatus>(Routes.ServerStatus, cancellationToken);

    /// <summary>Makes a backup on the server's machine while the service runs. It is answered when the backup is whole: give a large service's a longer
    /// <see cref="AnswerLimit"/>.</summary>
    public Task<BackupResource> CreateBackupAsync(BackupRequest? request = null, CancellationToken cancellationToken = default) =>
        SendAsync<BackupResource>(HttpMethod.Post, Routes.Backups, request ?? new BackupRequest(), default, cancellationToken);

    /// <summary>Writes a support bundle (a ZIP archive without secrets) to a stream, as it comes. A server that is silent for 60 s is a
    /// <see cref="TimeoutException"/>; what was written until then is no archive.</summary>
    public async Task DownloadSupportBundleAsync(Stream destination, CancellationToken cancellationToken = default)
    {
        using var request = Make(HttpMethod.Get, Routes.SupportBundle, null, default);
        request.Headers.TryAddWithoutValidation("Accept", "*/*");
        using var patience = new Patience(SilenceLimit, time, cancellationToken);
        using var answer = await patience.WaitAsync(http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token));
        await ThrowIfRefusedAsync(answer, patience.Token);
        await using var bundle = await answer.Content.ReadAsStreamAsync(patience.Token);
        var buffer = new byte[BundleBuffer];
        for (int count; (count = await patience.WaitAsync(bundle.ReadAsync(buffer, patience.Token).AsTask())) > 0; patience.Heard())
        {
            await destination.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
        }
    }
}
