using System.CommandLine;
using System.Security.Cryptography;
using Orleans.ImageMgmt.Api;
using Spectre.Console;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Sends a disk from this machine to a pod, where it can then be imported. What broke off goes on where it broke.</summary>
internal static class UploadCommand
{
    private const int BufferBytes = 1 << 20;

    public static Command Create(Wiring wiring)
    {
        var file = new Argument<string>("FILE") { Description = "The disk on this machine." };
        var pod = wiring.Names.Pods(new Option<string>("--pod", "-p") { Description = "The pod that gets it.", HelpName = "POD", Required = true });
        var name = new Option<string?>("--name") { Description = "Its name there; left out: the file's.", HelpName = "NAME" };
        var sha256 = new Option<string?>("--sha256") { Description = "Its SHA-256; left out: computed first, so that the server can compare.", HelpName = "HEX" };
        var resume = new Option<string?>("--resume") { Description = "Go on with this upload.", HelpName = "UPLOAD" };
        var reason = Asked.Reason();
        return wiring.Verb("upload", "Sends a disk from this machine to a pod's sources, so that it can be imported.",
            ["imgctl upload win10pos.qcow2 --pod head-office", "imgctl upload win10pos.qcow2 --pod head-office --resume 0198c1d2e3f4"],
            async (run, stop) =>
            {
                var path = run.Get(file);
                await using var content = Open(path);
                var begun = run.Get(resume) is { } known ? await run.Client.GetUploadAsync(known, stop) : await run.Client.BeginUploadAsync(run.Get(pod)!, new UploadRequest
                {
                    Name = run.Get(name) ?? Path.GetFileName(path),
                    LengthBytes = content.Length,
                    Sha256 = run.Get(sha256) ?? await ShowAsync(run, "hashing", content.Length, progress => HashAsync(content, progress, stop)),
                    Reason = run.Get(reason),
                }, stop);
                if (begun.Pod != run.Get(pod))
                {
                    throw CliProblem.Usage($"Upload {begun.Id} goes to pod {begun.Pod}, not to {run.Get(pod)}.", $"Name --pod {begun.Pod}, or begin a new one without --resume.");
                }

                if (begun.LengthBytes != content.Length)
                {
                    throw CliProblem.Usage($"Upload {begun.Id} is of a file of {begun.LengthBytes} bytes; {path} has {content.Length}.", "Name the file that the upload was begun with, or begin a new one without --resume.");
                }

                var done = await SendAsync(run, begun, content, path, stop);
                run.Printer.Done(done, upload => $"upload/{upload.Id}", $"{done.Name} is on {done.Pod}: {Shown.Bytes(done.LengthBytes)}.");
                run.Hint($"Import it with: imgctl import IMAGE VERSION --pod {done.Pod} --source {done.Name} --wait");
                return ExitCodes.Well;
            }, file, pod, name, sha256, resume, reason);
    }

    private static async Task<UploadResource> SendAsync(Invocation run, UploadResource begun, FileStream content, string path, CancellationToken stop)
    {
        var goOn = $"Go on with: imgctl upload {Quoted(path)} --pod {begun.Pod} --resume {begun.Id}";
        try
        {
            return await ShowAsync(run, "sending", begun.LengthBytes, progress => run.Client.SendUploadAsync(begun.Id, content, progress, stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new CliProblem(ExitCodes.Interrupted, "Stopped sending; what has arrived stays.", goOn);
        }
        catch (Exception broken) when (broken is HttpRequestException or TimeoutException or IOException)
        {
            throw new CliProblem(ExitCodes.NotReachable, $"The server at {run.KnownUrl?.GetLeftPart(UriPartial.Authority)} stopped answering; what has arrived stays.", goOn, inner: broken);
        }
    }

    /// <summary>As a shell takes it for one word.</summary>
    private static string Quoted(string path) => path.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '+' or '=' or ',') ? path : $"'{path.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static FileStream Open(string path)
    {
        if (Directory.Exists(path))
        {
            throw CliProblem.Usage($"{path} is a folder.", "Name the disk file itself.");
        }

        var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, BufferSize = BufferBytes, Options = FileOptions.SequentialScan | FileOptions.Asynchronous });
        return file is { CanSeek: true, Length: > 0 } ? file : throw CliProblem.Usage($"{path} is empty or no ordinary file.");
    }

    private static async Task<string> HashAsync(FileStream content, IProgress<long> progress, CancellationToken stop)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BufferBytes];
        for (int count; (count = await content.ReadAsync(buffer, stop)) > 0;)
        {
            hash.AppendData(buffer, 0, count);
            progress.Report(content.Position);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A bar on a terminal; elsewhere nothing, the result is soon told.</summary>
    private static async Task<T> ShowAsync<T>(Invocation run, string what, long total, Func<IProgress<long>, Task<T>> work)
    {
        if (!run.Screen.IsTerminal || run.IsQuiet || run.Format != OutputFormat.Table)
        {
            return await work(new Heard(_ => { }));
        }

        return await LiveProgress.ConsoleOf(run.Screen, run.Paint).Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new DownloadedColumn { Base = FileSizeBase.Binary }, new TransferSpeedColumn { Base = FileSizeBase.Binary }, new RemainingTimeColumn())
            .StartAsync(context =>
            {
                var task = context.AddTask(what, maxValue: total);
                return work(new Heard(done => task.Value = done));
            });
    }

    /// <summary>Unlike <see cref="Progress{T}"/> it reports in order and at once.</summary>
    private sealed class Heard(Action<long> hear) : IProgress<long>
    {
        public void Report(long value) => hear(value);
    }
}
