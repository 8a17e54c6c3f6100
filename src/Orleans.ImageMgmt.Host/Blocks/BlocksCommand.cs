using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Connectors;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt blocks</c>: the block server alone, for the libraries of given pods, on a machine without a catalog.</summary>
internal static class BlocksCommand
{
    private const int Well = 0;
    private const int Unusable = 2;
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var data = ServeCommand.DataOption();
        var config = ServeCommand.ConfigOption();
        var set = ServeCommand.SetOption();
        var pods = new Option<string>("--pods") { Description = "JSON file: the pods whose libraries are served, as in a plan of 'imgmt serve'.", Required = true };
        var receive = new Option<bool>("--receive") { Description = "Also do what the service asks of these pods: receive, prove, delete, prepare. They are connected there with 'site-url'." };
        var command = new Command("blocks", "Serve the copies of pods on this machine to receivers on others, without a catalog.") { data, config, pods, receive, set };
        command.SetAction((parsed, stop) => RunAsync(
            new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(config), Assignments = parsed.GetValue(set) ?? [] },
            parsed.GetValue(pods)!, parsed.GetValue(receive), stop));
        return command;
    }

    private static async Task<int> RunAsync(SettingsRequest request, string podsFile, bool receives, CancellationToken stop)
    {
        try
        {
            var pods = Plan.Read(podsFile).Pods.Select(pod => pod.ToSpec()).ToList();
            var settings = new HostSettings(request.DataFolder) { Http = new HttpOptions() }.FillOrThrow(request);
            if (!settings.Blocks.IsOn)
            {
                throw new SettingsException("Blocks:Listen is not set: say where to listen, such as --set Blocks:Listen=0.0.0.0:7482.");
            }

            using var logging = LoggerFactory.Create(log => log.AddImgmt(settings));
            using var simulated = new SimulatedPods(TimeProvider.System);
            var registry = new ConnectorRegistry([new FilesystemPods(TimeProvider.System), simulated], TimeProvider.System, SilentFaultLog.Instance);
            RequireUsable(pods, registry);
            var trust = SiloTrust.OpenForBlocks(settings.DataDirectory, settings.Trust, TimeProvider.System);
            using var asking = new HttpMessageInvoker(BlockLink.MakeHandler(trust.Current));
            await using var calls = receives ? new SiteDesk(Connectors(pods, registry), asking, settings.Blocks.Asking, TimeProvider.System) : null;
            await using var server = new BlockServer(settings.Blocks, trust.Current, PodLibraries.Of(pods, registry).OpenAsync, logging, TimeProvider.System, calls);
            await RunAsync(server, pods.Count, stop);
            return Well;
        }
        catch (Exception problem) when (problem is SettingsException or TrustException or ArgumentException or IOException)
        {
            await Console.Error.WriteLineAsync($"imgmt: {problem.Message}");
            return Unusable;
        }
    }

    private static async Task RunAsync(BlockServer server, int pods, CancellationToken stop)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSystemd();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = StopLimit);
        builder.Services.AddHostedService(_ => server);
        using var host = builder.Build();
        await host.StartAsync(stop);
        await Console.Out.WriteLineAsync($"imgmt serves blocks of {pods} pods at {server.Address}");
        await host.WaitForShutdownAsync(stop);
    }

    private static IEnumerable<IPodConnector> Connectors(IEnumerable<Domain.PodSpec> pods, ConnectorRegistry registry) =>
        pods.Select(registry.Create).OfType<ConnectorResult<IPodConnector>.Done>().Select(made => made.Value);

    private static void RequireUsable(IReadOnlyList<Domain.PodSpec> pods, ConnectorRegistry registry)
    {
        var faults = pods.Select(registry.Create).OfType<ConnectorResult<IPodConnector>.Failed>().Select(failed => failed.Fault.Detail).ToList();
        if (pods.Count == 0 || pods.Select(pod => pod.Name).Distinct().Count() < pods.Count)
        {
            faults.Add("At least one pod is expected, each name once.");
        }

        if (faults.Count > 0)
        {
            throw new SettingsException(string.Join(Environment.NewLine, faults));
        }
    }
}
