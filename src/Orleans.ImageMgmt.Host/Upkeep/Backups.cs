using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary>Backups of the running service, in the folder <c>backups</c> of its data directory. One is made at a time.</summary>
internal sealed partial class Backups(EmbeddedStore store, HostSettings settings, TimeProvider time, ILogger<Backups> log) : IDisposable
{
    /// <summary>Room left free on the disk, over the copies of the databases and the archive.</summary>
    private const long Margin = 64L << 20;

    /// <summary>Name of a backup that the caller gave none: its time.</summary>
    private const string OwnName = "yyyyMMdd-HHmmss";

    private readonly SemaphoreSlim one = new(1);
    private readonly ConcurrentDictionary<string, (long Length, DateTime Written, string Sha256)> digests = new(StringComparer.Ordinal); // of the files that are there

    public string Folder => Path.Combine(store.DataDirectory, "backups");

    public void Dispose() => one.Dispose();

    /// <summary>Makes a backup while everything goes on.</summary>
    /// <exception cref="BackupException">It cannot be made; nothing is left behind.</exception>
    public async Task<BackupResource> MakeAsync(string? name, RequestedBy by, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        name ??= now.ToString(OwnName, CultureInfo.InvariantCulture);
        if (!PodName.TryCreate(name, out _))
        {
            throw new BackupException("backup.invalid-name", $"'{name}' is no name for a backup.", $"Use {PodName.Rule}.");
        }

        if (!await one.WaitAsync(TimeSpan.Zero, stop))
        {
            throw new BackupException("backup.running", "A backup is being made already.", "Wait for its end.");
        }

        try
        {
            return await MakeAloneAsync(name, now, by, stop);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new BackupException("backup.failed", $"The backup could not be written: {problem.Message}", "Look at the file system of the data directory.", problem);
        }
        finally
        {
            one.Release();
        }
    }

    public async Task<IReadOnlyList<BackupResource>> ListAsync(CancellationToken stop)
    {
        var found = new List<BackupResource>();
        foreach (var path in Directory.Exists(Folder) ? Directory.EnumerateFiles(Folder, "*" + BackupArchive.Extension).Order(StringComparer.Ordinal).Take(Limits.PageRows) : [])
        {
            found.Add(await DescribeAsync(path, File.GetLastWriteTimeUtc(path), stop));
        }

        foreach (var gone in digests.Keys.Where(path => !File.Exists(path)))
        {
            digests.TryRemove(gone, out _);
        }

        return found;
    }

    /// <summary>The file of a backup, or null when there is none of this name.</summary>
    public string? Find(string name) =>
        PodName.TryCreate(name, out _) && Path.Combine(Folder, name + BackupArchive.Extension) is var path && File.Exists(path) ? path : null;

    private async Task<BackupResource> MakeAloneAsync(string name, DateTimeOffset now, RequestedBy by, CancellationToken stop)
    {
        var path = Path.Combine(Folder, name + BackupArchive.Extension);
        if (File.Exists(path))
        {
            throw new BackupException("backup.exists", $"There is a backup {name} already.", "Choose another name, or leave it out.");
        }

        Directory.CreateDirectory(Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        CheckRoom();
        var work = Path.Combine(Folder, ".making");
        Empty(work); // what an earlier process left when it died
        try
        {
            Directory.CreateDirectory(work, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            await store.SnapshotAsync(work, stop);
            var whole = Path.Combine(work, "whole");
            await BackupArchive.WriteAsync(work, whole, now, stop);
            File.Move(whole, path);
            SparseFile.FlushFolder(Folder);
        }
        finally
        {
            Empty(work);
        }

        var removed = RemoveOldest();
        await NoteAsync(name, removed, now, by, stop);
        var made = await DescribeAsync(path, now, stop);
        LogMade(log, path, made.LengthBytes);
        return made;
    }

    /// <summary>Those without a name of the caller's, beyond the newest that are kept. Their names are their times, so they are in order.</summary>
    private List<string> RemoveOldest()
    {
        List<string> old = [.. Directory.EnumerateFiles(Folder, "*" + BackupArchive.Extension)
            .Where(path => DateTime.TryParseExact(Path.GetFileNameWithoutExtension(path), OwnName, CultureInfo.InvariantCulture, DateTimeStyles.None, out _))
            .OrderDescending(StringComparer.Ordinal).Skip(settings.Backup.Keep)];
        foreach (var path in old)
        {
            File.Delete(path);
            LogRemoved(log, path, settings.Backup.Keep);
        }

        return [.. old.Select(path => Path.GetFileNameWithoutExtension(path))];
    }

    private Task NoteAsync(string name, IReadOnlyList<string> removed, DateTimeOffset now, RequestedBy by, CancellationToken stop) => store.Rows.WriteAsync(
        [
            new RowWrite("service", "backup", RowWrite.AnyETag, JsonSerializer.SerializeToUtf8Bytes(new { name, madeAt = now }, StateJson.Options),
            [
                Line("backup.made", $"Backup {name}", now, by),
            .. removed.Select(old => Line("backup.removed", $"Backup {old} made room: the newest {settings.Backup.Keep} are kept", now, by)),
            ]),
        ],
        stop);

    private static Projection.Append Line(string action, string what, DateTimeOffset now, RequestedBy by) =>
        new(new ActivityRow(now, by.Actor, action, JsonSerializer.Serialize(new ActivityBody(what, by.Origin, by.Reason), StateJson.Options)));

    private void CheckRoom()
    {
        var size = DatabaseSnapshot.Names.Sum(name => new FileInfo(Path.Combine(store.DataDirectory, name)).Length);
        var free = new DriveInfo(Folder).AvailableFreeSpace;
        if (free < (size * 2) + Margin)
        {
            throw new BackupException("backup.no-room", $"The backup may need {((size * 2) + Margin) >> 20} MiB in {Folder}; {free >> 20} MiB are free.", "Free some room, or remove old backups.");
        }
    }

    /// <summary>A file is read once for its digest, and again only when its length or time is another.</summary>
    private async Task<BackupResource> DescribeAsync(string path, DateTimeOffset at, CancellationToken stop)
    {
        await using var file = File.OpenRead(path);
        var (length, written) = (file.Length, File.GetLastWriteTimeUtc(path));
        if (!digests.TryGetValue(path, out var known) || known.Length != length || known.Written != written)
        {
            known = (length, written, Convert.ToHexStringLower(await SHA256.HashDataAsync(file, stop)));
            digests[path] = known;
        }

        return new BackupResource { Name = Path.GetFileNameWithoutExtension(path), Path = path, LengthBytes = length, CreatedAt = at, Sha256 = known.Sha256 };
    }

    private static void Empty(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [LoggerMessage(EventId = 401, Level = LogLevel.Information, Message = "Backup {Path} was removed: the newest {Keep} without a name are kept")]
    private static partial void LogRemoved(ILogger logger, string path, int keep);

    [LoggerMessage(EventId = 400, Level = LogLevel.Information, Message = "Backup {Path} made, {Bytes} bytes")]
    private static partial void LogMade(ILogger logger, string path, long bytes);
}

/// <summary>Backups by HTTP.</summary>
internal static class BackupEndpoints
{
    private static readonly Refusal ofCluster = new(
        "backup.cluster", "The catalog of a cluster lies in PostgreSQL, and no silo keeps copies of it.", "Run 'imgmt backup --to FILE --config FILE' on any machine that reaches the database.");

    /// <summary>The endpoints are there in every mode, so that one description of the API is true; in a cluster they say where backups are made.</summary>
    public static void MapBackups(this WebApplication app)
    {
        if (app.Services.GetService<Backups>() is null)
        {
            string[] paths = [Routes.Backups, Routes.Backups + "/{backup}"];
            foreach (var path in paths)
            {
                app.Map(path, () => UpkeepProblem.Of(StatusCodes.Status409Conflict, "Backups are made elsewhere.", ofCluster)).RequireAuthorization(Roles.Administrator);
            }

            return;
        }

        app.MapPost(Routes.Backups, MakeAsync)
            .WithName("CreateBackup").WithSummary("Makes a backup of the service while it runs; it lies in the data directory.")
            .Produces<BackupResource>(StatusCodes.Status201Created).ProducesProblem(StatusCodes.Status400BadRequest).ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable).RequireAuthorization(Roles.Administrator);
        app.MapGet(Routes.Backups, async (Backups backups, CancellationToken stop) => Results.Json(await backups.ListAsync(stop), ImageMgmtJson.Options))
            .WithName("ListBackups").WithSummary("The backups in the data directory.").Produces<IReadOnlyList<BackupResource>>().RequireAuthorization(Roles.Administrator);
        app.MapGet(Routes.Backups + "/{backup}", (string backup, Backups backups) => backups.Find(backup) is { } path
                ? Results.File(path, "application/zip", Path.GetFileName(path), enableRangeProcessing: true)
                : UpkeepProblem.Of(StatusCodes.Status404NotFound, "There is no such backup.", new("backup.unknown", $"There is no backup '{backup}'.", "List the backups to see which there are.")))
            .WithName("DownloadBackup").WithSummary("The archive itself.").Produces(StatusCodes.Status200OK, contentType: "application/zip")
            .ProducesProblem(StatusCodes.Status404NotFound).RequireAuthorization(Roles.Administrator);
    }

    private static async Task<IResult> MakeAsync([FromBody] BackupRequest? request, HttpContext context, Backups backups, CancellationToken stop)
    {
        try
        {
            var made = await backups.MakeAsync(request?.Name, RequestContext.By(context, request?.Reason), stop);
            return new Created(Results.Json(made, ImageMgmtJson.Options, statusCode: StatusCodes.Status201Created), $"{Routes.Backups}/{made.Name}");
        }
        catch (BackupException problem)
        {
            var status = problem.Refusal.Code switch
            {
                "backup.invalid-name" => StatusCodes.Status400BadRequest,
                "backup.running" or "backup.exists" => StatusCodes.Status409Conflict,
                _ => StatusCodes.Status503ServiceUnavailable,
            };
            return UpkeepProblem.Of(status, "The backup was not made.", problem.Refusal);
        }
        catch (StoreException problem)
        {
            return UpkeepProblem.Of(StatusCodes.Status503ServiceUnavailable, "The backup was not made.", new(problem.Code, problem.Message, "Look at the data directory's file system and at the log."));
        }
    }

    private sealed class Created(IResult body, string location) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.Headers.Location = location;
            return body.ExecuteAsync(httpContext);
        }
    }
}
