using System.CommandLine;
using System.Net.Sockets;
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
        var data = DataOption();
        var config = ConfigOption();
        var plan = new Option<string?>("--plan") { Description = "JSON file: pods to connect, versions to import and publish. Applying it again changes nothing." };
        var exit = new Option<bool>("--exit-when-done") { Description = "End when the plan has been applied; 0 = everything is available." };
        var set = SetOption();
        var level = new Option<LogLevel?>("--log") { Description = "Least severe log lines that are shown (standard error); short for --set Log:Level=LEVEL." };
        var command = new Command("serve", "Run the service on this machine until it is stopped.") { data, config, plan, exit, set, level };
        command.SetAction((parsed, stop) => RunAsync(
            new Request(parsed.GetValue(data)!, parsed.GetValue(config), parsed.GetValue(plan), parsed.GetValue(exit),
                [.. parsed.GetValue(set) ?? [], .. parsed.GetValue(level) is { } chosen ? [$"Log:Level={chosen}"] : Array.Empty<string>()]), stop));
        return command;
    }

    internal static Option<string> DataOption() => new("--data")
    {
        Description = "Folder of the service's own database. Default: $IMGMT_DATA, else imgmt in the user's data folder.",
        DefaultValueFactory = _ => DefaultData(),
    };

    internal static Option<string?> ConfigOption() => new("--config")
    {
        Description = $"Configuration file. Default: {SettingsRequest.FileName} in the data folder, else {SettingsRequest.MachineFile}, where there is one.",
    };

    internal static Option<string[]> SetOption() => new("--set") { Description = "KEY=VALUE for one option, such as ImageMgmt:TransfersPerSilo=32. Repeatable." };

    private static async Task<int> RunAsync(Request request, CancellationToken stop)
    {
        try
        {
            var plan = request.Plan is null ? null : Plan.Read(request.Plan);
            var settings = new HostSettings(request.Data) { Http = new HttpOptions() }
                .FillOrThrow(new SettingsRequest(request.Data) { File = request.Config, Assignments = request.Set });
            await using var host = await ServiceHost.StartAsync(settings, stop);
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
                return await ServeAsync(host, stop);
            }

            return well ? Well : Failed;
        }
        catch (IOException problem) when (problem.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException || problem.GetBaseException() is SocketException)
        {
            return await UnusableAddressAsync(problem);
        }
        catch (SocketException problem)
        {
            return await UnusableAddressAsync(problem);
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

    /// <summary>Until it is asked to end, or cannot go on.</summary>
    private static async Task<int> ServeAsync(ServiceHost host, CancellationToken stop)
    {
        try
        {
            await Console.Error.WriteLineAsync($"imgmt: {await host.FailedAsync(stop)}");
            return Failed;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await host.TakeLeaveAsync();
            return Well;
        }
    }

    private static async Task<int> UnusableAddressAsync(Exception problem)
    {
        await Console.Error.WriteLineAsync($"imgmt: The address of Http:Listen cannot be used: {problem.Message} End the program that has it, or give another address and port with --set Http:Listen=http://127.0.0.1:PORT.");
        return Unusable;
    }

    public static string DefaultData() => Environment.GetEnvironmentVariable("IMGMT_DATA") is { Length: > 0 } chosen ? chosen
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "imgmt");

    private sealed record Request(string Data, string? Config, string? Plan, bool ExitWhenDone, string[] Set);
}
