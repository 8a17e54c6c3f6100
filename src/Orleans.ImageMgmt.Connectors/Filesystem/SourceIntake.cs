using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// Parcels lie in a hidden folder inside the sources folder, so that the last step is a rename on one file system: <c>ID.part</c> holds the bytes,
/// <c>ID.json</c> says how many of them are durable. What lies behind that offset is dropped when the next bytes come.
/// </summary>
internal sealed class SourceIntake(PodName pod, string sources, long reserve, TimeProvider time)
{
    private const string FolderName = ".imgmt-uploads";

    /// <summary>Longest file name of a source.</summary>
    private const int NameLength = 128;

    private const int BufferBytes = 1 << 20;

    /// <summary>After so many bytes what has come is made durable: it bounds what a crash can cost.</summary>
    private const long FlushBytes = 32L << 20;

    /// <summary>How long a newer sender waits until the older one, whose connection is perhaps dead, has let go.</summary>
    private static readonly TimeSpan HandOver = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Session> sessions = new(StringComparer.Ordinal);
    private readonly Lock beginning = new();

    private string Folder => Path.Combine(sources, FolderName);

    public IntakeResult Begin(SourceParcel parcel, int limit)
    {
        if (!IsName(parcel.Name))
        {
            return IntakeResult.Refuse("upload.bad-name", $"'{parcel.Name}' is no name for a source.",
                $"Use 1 to {NameLength} letters, digits, '.', '_' or '-', beginning with a letter or digit, not ending with '.', and no device name of Windows such as NUL.");
        }

        lock (beginning)
        {
            Directory.CreateDirectory(Folder);
            if (Read(parcel.Id) is { } known)
            {
                return known;
            }

            if (Path.Exists(FinalPath(parcel.Name)))
            {
                return IntakeResult.Refuse("upload.name-taken", $"Pod {pod} already has a source {parcel.Name}.", "Choose another name, or import the one that is there.");
            }

            var open = Parcels().Where(p => !p.IsComplete).ToList();
            if (open.Count(p => IsOurs(p.Id)) >= limit)
            {
                return IntakeResult.Refuse("upload.too-many", $"Pod {pod} has {limit} open uploads.", "Finish one, or delete one that is not wanted.");
            }

            var promised = open.Sum(p => p.Length - p.Offset);
            var free = new DriveInfo(sources).AvailableFreeSpace - promised - reserve;
            if (parcel.Length > free)
            {
                return IntakeResult.Refuse("upload.no-room", $"The sources folder of pod {pod} has {Math.Max(free, 0)} bytes to give; {parcel.Length} are wanted.", "Free room there, or use another pod.");
            }

            using (FilesystemRecords.OpenForWriting(PartPath(parcel.Id), FileMode.Create))
            {
            }

            Write(parcel);
            return parcel;
        }
    }

    public IntakeResult Find(string id) => Read(id) is { } parcel ? parcel : Unknown(id);

    public async Task<IntakeResult> AppendAsync(string id, long offset, Stream piece, CancellationToken cancellationToken)
    {
        if (Read(id) is null)
        {
            return Unknown(id);
        }

        var session = sessions.GetOrAdd(id, _ => new Session());
        await session.StopSenderAsync(); // one sender at a time, and the newer one counts
        if (!await session.Gate.WaitAsync(HandOver, cancellationToken))
        {
            return IntakeResult.Refuse("upload.busy", $"Upload {id} still takes bytes of another request.", "Try again in a moment.");
        }

        try
        {
            using var sender = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            session.Sender = sender;
            return await AppendAloneAsync(session, id, offset, piece, sender.Token);
        }
        finally
        {
            session.Sender = null;
            session.Gate.Release();
        }
    }

    public IntakeResult Discard(string id)
    {
        if (Read(id) is not { } parcel)
        {
            return Unknown(id);
        }

        if (sessions.TryRemove(id, out var session))
        {
            _ = session.StopSenderAsync();
        }

        File.Delete(PartPath(id));
        File.Delete(RecordPath(id));
        return parcel;
    }

    public void Expire(DateTimeOffset before)
    {
        foreach (var parcel in Parcels().Where(p => IsOurs(p.Id) && p.ChangedAt < before && !(sessions.TryGetValue(p.Id, out var session) && session.Sender is not null)).ToList())
        {
            Discard(parcel.Id);
        }
    }

    private async Task<IntakeResult> AppendAloneAsync(Session session, string id, long offset, Stream piece, CancellationToken stop)
    {
        if (Read(id) is not { } parcel)
        {
            return Unknown(id);
        }

        if (parcel.IsComplete && offset == parcel.Length)
        {
            return parcel; // the last piece again, whose answer was lost
        }

        if (parcel.IsComplete || offset != parcel.Offset)
        {
            return IntakeResult.Refuse("upload.wrong-offset", $"Upload {id} has {parcel.Offset} bytes; the piece begins at {offset}.", "Ask how far the upload is, and send from there.");
        }

        using var file = FilesystemRecords.OpenForWriting(PartPath(id), FileMode.Open);
        RandomAccess.SetLength(file, parcel.Offset);
        await session.CatchUpAsync(PartPath(id), parcel.Offset, stop);
        var (taken, tooLong) = await TakeAsync(session, file, parcel, piece, stop);
        return tooLong
            ? IntakeResult.Refuse("upload.too-long", $"Upload {id} was announced with {parcel.Length} bytes, and more came.", "Begin a new upload with the right length.")
            : taken.Offset == taken.Length ? Complete(session, taken) : taken;
    }

    private async Task<(SourceParcel Parcel, bool IsTooLong)> TakeAsync(Session session, SafeFileHandle file, SourceParcel parcel, Stream piece, CancellationToken stop)
    {
        var buffer = new byte[BufferBytes];
        var at = parcel.Offset;
        var tooLong = false;
        try
        {
            int count;
            while (!tooLong && (count = await piece.ReadAsync(buffer, stop)) > 0)
            {
                tooLong = at + count > parcel.Length;
                if (!tooLong)
                {
                    await RandomAccess.WriteAsync(file, buffer.AsMemory(0, count), at, CancellationToken.None);
                    session.Hash.AppendData(buffer, 0, count);
                    session.Hashed = at += count;
                    parcel = at - parcel.Offset >= FlushBytes ? Keep(file, parcel, at) : parcel;
                }
            }
        }
        finally
        {
            parcel = Keep(file, parcel, at); // also when the sender was cut: what came is worth keeping
        }

        return (parcel, tooLong);
    }

    private SourceParcel Keep(SafeFileHandle file, SourceParcel parcel, long offset)
    {
        if (!File.Exists(RecordPath(parcel.Id)))
        {
            return parcel; // thrown away meanwhile
        }

        SparseFile.Flush(file);
        var kept = parcel with { Offset = offset, ChangedAt = time.GetUtcNow() };
        Write(kept);
        return kept;
    }

    private IntakeResult Complete(Session session, SourceParcel parcel)
    {
        var digest = Digest.FromBytes(session.Hash.GetCurrentHash());
        if (parcel.Digest is { } expected && expected != digest)
        {
            Discard(parcel.Id);
            return IntakeResult.Refuse("upload.wrong-digest", $"What came has the digest {digest}; {expected} was announced.", "Check the file, and upload it again from the beginning.");
        }

        try
        {
            FilesystemRecords.SetMode(PartPath(parcel.Id), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.Move(PartPath(parcel.Id), FinalPath(parcel.Name), overwrite: false);
        }
        catch (IOException) when (Path.Exists(FinalPath(parcel.Name)))
        {
            return IntakeResult.Refuse("upload.name-taken", $"Meanwhile pod {pod} got another source {parcel.Name}.", "Delete this upload, and upload under another name.");
        }

        SparseFile.FlushFolder(sources);
        SparseFile.FlushFolder(Folder);
        var complete = parcel with { IsComplete = true, Digest = digest, ChangedAt = time.GetUtcNow() };
        Write(complete);
        sessions.TryRemove(parcel.Id, out _);
        return complete;
    }

    private SourceParcel? Read(string id)
    {
        if (!IsOurs(id) || !HasPlainLetters(id) || FilesystemRecords.TryRead<SourceParcel>(RecordPath(id)) is not { } parcel)
        {
            return null;
        }

        if (parcel.IsComplete || File.Exists(PartPath(id)))
        {
            return parcel;
        }

        // A crash between the rename and the record: the file is there in whole, or nothing is.
        return new FileInfo(FinalPath(parcel.Name)) is { Exists: true } file && file.Length == parcel.Length ? parcel with { IsComplete = true, Offset = parcel.Length } : null;
    }

    private IEnumerable<SourceParcel> Parcels() => Directory.Exists(Folder)
        ? Directory.EnumerateFiles(Folder, "*.json").Select(FilesystemRecords.TryRead<SourceParcel>).OfType<SourceParcel>()
        : [];

    private void Write(SourceParcel parcel)
    {
        var draft = RecordPath(parcel.Id) + ".new";
        FilesystemRecords.Write(draft, parcel);
        File.Move(draft, RecordPath(parcel.Id), overwrite: true);
        SparseFile.FlushFolder(Folder);
    }

    private bool IsOurs(string id) => id.StartsWith(pod.Value + ".", StringComparison.Ordinal);

    private string PartPath(string id) => Path.Combine(Folder, id + ".part");

    private string RecordPath(string id) => Path.Combine(Folder, id + ".json");

    private string FinalPath(string name) => Path.Combine(sources, name);

    private static bool IsName(string text) => text.Length is > 0 and <= NameLength && char.IsAsciiLetterOrDigit(text[0]) && text[^1] != '.'
        && HasPlainLetters(text) && !IsDevice(text.Split('.')[0].ToUpperInvariant());

    /// <summary>The folder may be a share of Windows, where these are devices, with any ending.</summary>
    private static bool IsDevice(string stem) => stem is "CON" or "PRN" or "AUX" or "NUL"
        || (stem is ['C', 'O', 'M', _] or ['L', 'P', 'T', _] && char.IsAsciiDigit(stem[^1]));

    private static bool HasPlainLetters(string text) => text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static IntakeResult Unknown(string id) => IntakeResult.Refuse("upload.unknown", $"There is no upload {id}.", "Begin a new one; an upload that rests too long is thrown away.");

    /// <summary>What is kept in memory of a parcel; after a restart it is computed again from the bytes.</summary>
    private sealed class Session
    {
        public SemaphoreSlim Gate { get; } = new(1);

        public CancellationTokenSource? Sender { get; set; }

        public IncrementalHash Hash { get; private set; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public long Hashed { get; set; }

        public async Task StopSenderAsync()
        {
            try
            {
                await (Sender?.CancelAsync() ?? Task.CompletedTask);
            }
            catch (ObjectDisposedException)
            {
                // It has just ended by itself.
            }
        }

        public async Task CatchUpAsync(string path, long offset, CancellationToken stop)
        {
            if (Hashed == offset)
            {
                return;
            }

            Hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, FileOptions.SequentialScan);
            var buffer = new byte[BufferBytes];
            for (Hashed = 0; Hashed < offset;)
            {
                var count = await RandomAccess.ReadAsync(file, buffer.AsMemory(0, (int)Math.Min(buffer.Length, offset - Hashed)), Hashed, stop);
                if (count == 0)
                {
                    throw new IOException($"{path} is shorter than its record says.");
                }

                Hash.AppendData(buffer, 0, count);
                Hashed += count;
            }
        }
    }
}
