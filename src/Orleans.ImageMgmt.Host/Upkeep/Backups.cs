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
internal sealed partial class Backups(EmbeddedStore store, TimeProvider time, ILogger<Backups> log) : IDisposable
{
    /// <summary>Room left free on the disk, over the copies of the databases and the archive.</summary>
    private const long Margin = 64L << 20;

    private readonly SemaphoreSlim one = new(1);

    public string Folder => Path.Combine(store.DataDirectory, "backups");

    public void Dispose() => one.Dispose();

    /// <summary>Makes a backup while everything goes on.</summary>
    /// <exception cref="BackupException">It cannot be made; nothing is left behind.</exception>
    public async Task<BackupResource> MakeAsync(string? name, RequestedBy by, CancellationToken stop)
    {
        var now = time.GetUtcNow();
        name ??= now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);
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
        catch (IOException problem)
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

        await NoteAsync(name, now, by, stop);
        var made = await DescribeAsync(path, now, stop);
        LogMade(log, path, made.LengthBytes);
        return made;
    }

    private Task NoteAsync(string name, DateTimeOffset now, RequestedBy by, CancellationToken stop) => store.Rows.WriteAsync(
        [
            new RowWrite("service", "backup", RowWrite.AnyETag, JsonSerializer.SerializeToUtf8Bytes(new { name, madeAt = now }, StateJson.Options),
            [
                new Projection.Append(new ActivityRow(now, by.Actor, "backup.made", JsonSerializer.Serialize(new ActivityBody($"Backup {name}", by.Origin, by.Reason), StateJson.Options))),
            ]),
        ],
        stop);

    private void CheckRoom()
    {
        var size = DatabaseSnapshot.Names.Sum(name => new FileInfo(Path.Combine(store.DataDirectory, name)).Length);
        var free = new DriveInfo(Folder).AvailableFreeSpace;
        if (free < (size * 2) + Margin)
        {
            throw new BackupException("backup.no-room", $"The backup may need {((size * 2) + Margin) >> 20} MiB in {Folder}; {free >> 20} MiB are free.", "Free some room, or remove old backups.");
        }
    }

    private static async Task<BackupResource> DescribeAsync(string path, DateTimeOffset at, CancellationToken stop)
    {
        await using var file = File.OpenRead(path);
        return new BackupResource
        {
            Name = Path.GetFileNameWithoutExtension(path), Path = path, LengthBytes = file.Length, CreatedAt = at,
            Sha256 = Convert.ToHexStringLower(await SHA256.HashDataAsync(file, stop)),
        };
    }

    private static void Empty(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [LoggerMessage(EventId = 400, Level = LogLevel.Information, Message = "Backup {Path} made, {Bytes} bytes")]
    private static partial void LogMade(ILogger logger, string path, long bytes);
}

/// <summary>Backups by HTTP.</summary>
internal static class BackupEndpoints
{
    private static readonly Refusal ofCluster = new(
        "backup.cluster", "The catalog of a cluster lies in PostgreSQL, and this service makes no copy of it.", "Back the database up with pg_dump or your server's own means.");

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
