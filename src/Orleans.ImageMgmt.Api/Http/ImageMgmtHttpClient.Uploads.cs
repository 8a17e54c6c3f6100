using System.Globalization;
using System.Net.Http.Headers;

namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>Bytes in one <c>PATCH</c>: what a broken connection may cost. Default: 64 MiB.</summary>
    public const int UploadPieceBytes = 64 << 20;

    /// <summary>Begins an upload; send its bytes with <see cref="SendUploadAsync"/>.</summary>
    public Task<UploadResource> BeginUploadAsync(string pod, UploadRequest request, CancellationToken cancellationToken = default) =>
        SendAsync<UploadResource>(HttpMethod.Post, Routes.Fill(Routes.PodUploads, pod), request, default, cancellationToken);

    /// <summary>How far an upload is. <c>upload.unknown</c> when there is none, or when it was thrown away because nothing came for too long.</summary>
    public Task<UploadResource> GetUploadAsync(string upload, CancellationToken cancellationToken = default) =>
        GetAsync<UploadResource>(Routes.Fill(Routes.Upload, upload), cancellationToken);

    /// <summary>Throws an open upload away.</summary>
    public Task DeleteUploadAsync(string upload, CancellationToken cancellationToken = default) =>
        SendAsync(HttpMethod.Delete, Routes.Fill(Routes.Upload, upload), null, default, cancellationToken);

    /// <summary>Sends one piece.</summary>
    /// <param name="upload">Which upload.</param>
    /// <param name="offset">Where the piece begins: the upload's <c>offsetBytes</c>.</param>
    /// <param name="piece">Its bytes.</param>
    /// <param name="cancellationToken">Stops sending; what has arrived stays.</param>
    public async Task<UploadResource> SendUploadPieceAsync(string upload, long offset, Stream piece, CancellationToken cancellationToken = default)
    {
        using var request = Make(HttpMethod.Patch, Routes.Fill(Routes.Upload, upload), null, default);
        request.Headers.TryAddWithoutValidation(ApiHeaders.UploadOffset, offset.ToString(CultureInfo.InvariantCulture));
        request.Content = new StreamContent(piece);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        await ThrowIfRefusedAsync(answer, cancellationToken);
        return await ReadAsync<UploadResource>(answer, cancellationToken);
    }

    /// <summary>Sends what is missing of an upload, piece by piece, and takes a broken connection up again where it broke.</summary>
    /// <param name="upload">Which upload.</param>
    /// <param name="content">The whole file; it must be seekable.</param>
    /// <param name="progress">Hears how many bytes are durable on the server, after every piece.</param>
    /// <param name="cancellationToken">Stops sending; what has arrived stays.</param>
    /// <returns>The completed upload.</returns>
    public async Task<UploadResource> SendUploadAsync(string upload, Stream content, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var failures = 0;
        while (true)
        {
            try
            {
                var known = await GetUploadAsync(upload, cancellationToken);
                progress?.Report(known.OffsetBytes);
                while (known.State == UploadState.Open)
                {
                    content.Seek(known.OffsetBytes, SeekOrigin.Begin);
                    var piece = new PieceStream(content, Math.Min(UploadPieceBytes, known.LengthBytes - known.OffsetBytes));
                    var before = known.OffsetBytes;
                    known = await SendUploadPieceAsync(upload, known.OffsetBytes, piece, cancellationToken);
                    failures = known.OffsetBytes > before ? 0 : failures;
                    progress?.Report(known.OffsetBytes);
                }

                return known;
            }
            catch (Exception broken) when (IsPassing(broken) && failures < ReconnectLimit && !cancellationToken.IsCancellationRequested)
            {
                var wait = FirstReconnect * Math.Pow(2, failures++);
                await Task.Delay(wait < LongestReconnect ? wait : LongestReconnect, time, cancellationToken);
            }
        }
    }

    /// <summary>Some bytes of a file, from where it stands; the file stays open behind it.</summary>
    private sealed class PieceStream(Stream file, long length) : Stream
    {
        private readonly long start = file.Position;
        private long done;

        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position
        {
            get => done;
            set
            {
                file.Position = start + value;
                done = value;
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => Took(file.Read(buffer, offset, (int)Math.Min(count, length - done)));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Took(await file.ReadAsync(buffer[..(int)Math.Min(buffer.Length, length - done)], cancellationToken));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => Position + offset,
            _ => length + offset,
        };

        public override void SetLength(long value) => throw new NotSupportedException("A piece is only read.");

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A piece is only read.");

        private int Took(int count)
        {
            done += count;
            return count;
        }
    }
}
