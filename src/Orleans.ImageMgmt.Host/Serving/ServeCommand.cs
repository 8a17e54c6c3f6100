using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt serve</c>: the service itself.</summary>
internal static class ServeCommand
{
    /// <summary>Ended well; a step of the plan failed; the command or its settings cannot be used.</summary>
    private const int Well = 0;
    private const int Failed = 1;
    private const int Unusable = 2;

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "Folder of the service's own database.", DefaultValueFactory = _ => DefaultData() };
        var plan = new Option<string?>("--plan") { Description = "JSON file: pods to connect, versions to import and publish. Applying it again changes nothing." };
        var exit = new Option<bool>("--exit-when-done") { Description = "End when the plan has been applied; 0 = everything is available." };
        var set = new Option<string[]>("--set") { Description = "KEY=VALUE for one option, such as ImageMgmt:TransfersPerSilo=32. Repeatable." };
        var level = new Option<LogLevel>("--log") { Description = "Least severe log lines that are shown (standard error).", DefaultValueFactory = _ => LogLevel.Information };
        var command = new Command("serve", "Run the service on this machine until it is stopped.") { data, plan, exit, set, level };
        command.SetAction((parsed, stop) => RunAsync(
            new Request(parsed.GetValue(data)!, parsed.GetValue(plan), parsed.GetValue(exit), parsed.GetValue(set) ?? [], parsed.GetValue(level)), stop));
        return command;
    }

    private static async Task<int> RunAsync(Request request, CancellationToken stop)
    {
        try
        {
            var plan = request.Plan is null ? null : Plan.Read(request.Plan);
            var settings = new HostSettings(request.Data) { LogLevel = request.Level, Http = new HttpOptions() }.With(request.Set);
            await using var host = await EmbeddedHost.StartAsync(settings, stop);
            await Console.Out.WriteLineAsync($"imgmt is ready; data in {Path.GetFullPath(request.Data)}");
            var well = true;
            if (plan is not null)
            {
                var runner = new PlanRunner(host.Services.GetRequiredService<ImageMgmtClient>(), Console.Out.WriteLine);
                well = await runner.RunAsync(plan, stop);
                await Console.Out.WriteLineAsync(well ? "plan applied" : "plan applied with failures");
            }

            if (!request.ExitWhenDone)
            {
                await WaitAsync(stop);
            }

            return well ? Well : Failed;
        }
        catch (Exception problem) when (problem is SettingsException or StoreException or TrustException or RefusedException or ArgumentException)
        {
            await Console.Error.WriteLineAsync($"imgmt: {problem.Message}");
            return problem is RefusedException ? Failed : Unusable;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return Well;
        }
    }

    private static async Task WaitAsync(CancellationToken stop)
    {
        var stopped = new TaskCompletionSource();
        await using var registration = stop.Register(stopped.SetResult);
        await stopped.Task;
    }

    internal static string DefaultData() =>
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "imgmt");

    private sealed record Request(string Data, string? Plan, bool ExitWhenDone, string[] Set, LogLevel Level);
}
