using System.Globalization;
using System.Net.Http.Headers;

namespace Orleans.ImageMgmt.Api;

public sealed partial class ImageMgmtHttpClient
{
    /// <summary>Bytes in one <c>PATCH</c>: what a broken connection may cost. Default: 64 MiB.</summary>
    public const int UploadPieceBytes = 64 << 20;

    /// <summary>A server that takes not one byte of a piece for this long is taken for broken. Default: 5 minutes: a pod's share may stall.</summary>
    private static readonly TimeSpan StallLimit = TimeSpan.FromMinutes(5);

    /// <summary>Wait for the answer once a piece is sent. Default: 1 hour: after the last one the server reads the whole disk back.</summary>
    private static readonly TimeSpan VerdictLimit = TimeSpan.FromHours(1);

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
        using var patience = new Patience(StallLimit, time, cancellationToken);
        request.Content = new StreamContent(new HeardStream(piece, count => patience.Allow(count > 0 ? StallLimit : VerdictLimit)));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var answer = await patience.WaitAsync(http.SendAsync(request, HttpCompletionOption.ResponseContentRead, patience.Token));
        await ThrowIfRefusedAsync(answer, patience.Token);
        return await ReadAsync<UploadResource>(answer, cancellationToken);
    }

    /// <summary>Sends what is missing of an upload, piece by piece, and takes a broken connection up again where it broke.</summary>
    /// <param name="upload">Which upload.</param>
    /// <param name="content">The whole file, as long as the upload was begun with; it must be seekable.</param>
    /// <param name="progress">Hears how many bytes are durable on the server, after every piece.</param>
    /// <param name="cancellationToken">Stops sending; what has arrived stays.</param>
    /// <returns>The completed upload.</returns>
    /// <exception cref="ArgumentException">The file has another length than the upload.</exception>
    public async Task<UploadResource> SendUploadAsync(string upload, Stream content, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var failures = 0;
        while (true)
        {
            try
            {
                var known = await GetUploadAsync(upload, cancellationToken);
                if (content.Length != known.LengthBytes)
                {
                    throw new ArgumentException($"Upload {known.Id} is of {known.LengthBytes} bytes; the file has {content.Length}.", nameof(content));
                }

                progress?.Report(known.OffsetBytes);
                while (known.State == UploadState.Open)
                {
                    content.Seek(known.OffsetBytes, SeekOrigin.Begin);
                    var piece = new PieceStream(content, Math.Min(UploadPieceBytes, known.LengthBytes - known.OffsetBytes));
                    var before = known.OffsetBytes;
                    known = await SendUploadPieceAsync(upload, known.OffsetBytes, piece, cancellationToken);
                    if (known.State == UploadState.Open && known.OffsetBytes <= before)
                    {
                        throw new HttpRequestException($"The server took none of the bytes of upload {upload} from {before} on.");
                    }

                    failures = 0;
                    progress?.Report(known.OffsetBytes);
                }

                return known;
            }
            catch (Exception broken) when (IsPassing(broken) && failures < ReconnectLimit && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(WaitAfter(++failures, AskedBy(broken)), time, cancellationToken);
            }
        }
    }

    /// <summary>Some bytes of a file, from where it stands; the file stays open behind it.</summary>
    private sealed class PieceStream(Stream file, long length) : SentStream
    {
        private readonly long start = file.Position;
        private long done;

        public override bool CanSeek => true;

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

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await file.ReadAsync(buffer[..(int)Math.Min(buffer.Length, length - done)], cancellationToken);
            done += count;
            return count;
        }
    }

    /// <summary>Another stream, with an ear for how it is read: the other side took what came before.</summary>
    private sealed class HeardStream(Stream inner, Action<int> took) : SentStream
    {
        public override bool CanSeek => inner.CanSeek;

        public override long Length => inner.Length;

        public override long Position
        {
            get => inner.Position;
            set => inner.Position = value;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await inner.ReadAsync(buffer, cancellationToken);
            took(count);
            return count;
        }
    }

    /// <summary>What an upload reads from: only ever read, asynchronously, from front to back.</summary>
    private abstract class SentStream : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => false;

        public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("A piece is only read asynchronously.");

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => Position + offset,
            _ => Length + offset,
        };

        public override void SetLength(long value) => throw new NotSupportedException("A piece is only read.");

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A piece is only read.");
    }
}
