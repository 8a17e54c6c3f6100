using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>The port of the probes. It answers from before the service starts until after it has ended, because a platform asks all that time.</summary>
/// <remarks>Strangers may ask: an answer is one word, each thing is looked at once a second at most however many ask, and connections are few.</remarks>
internal sealed partial class ProbeServer : IAsyncDisposable
{
    private const int Connections = 64;
    private const int HeadersBytes = 4 << 10;

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly WebApplication app;
    private readonly Look ready;
    private readonly Look started;
    private Readiness? readiness;

    private ProbeServer(ProbesOptions options, ILoggerFactory logging, TimeProvider time)
    {
        ready = new Look(time, async stop => Volatile.Read(ref readiness) is { } known && await known.WhyNotAsync(stop) is null);
        started = new Look(time, async stop => Volatile.Read(ref readiness) is { } known && await known.WhyNotStartedAsync(stop) is null);
        app = Build(IPEndPoint.Parse(options.Listen), logging);
        app.MapGet(Routes.Liveness, () => Results.Text("live\n"));
        app.MapGet(Routes.Readiness, async (CancellationToken stop) => Answer(await ready.IsSoAsync(stop), "ready"));
        app.MapGet(Routes.Startup, async (CancellationToken stop) => Answer(await started.IsSoAsync(stop), "started"));
    }

    /// <summary>Listens; null where no such port is wanted.</summary>
    public static async Task<ProbeServer?> StartAsync(ProbesOptions options, ILoggerFactory logging, TimeProvider time, CancellationToken stop)
    {
        if (!options.IsOn)
        {
            return null;
        }

        var server = new ProbeServer(options, logging, time);
        try
        {
            await server.app.StartAsync(stop);
            Listening(logging.CreateLogger("imgmt.probes"), server.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
            return server;
        }
        catch
        {
            await server.DisposeAsync(); // whatever it was goes on to the caller
            throw;
        }
    }

    /// <summary>The service has started.</summary>
    public void Started(Readiness now) => Volatile.Write(ref readiness, now);

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        ready.Dispose();
        started.Dispose();
    }

    private static IResult Answer(bool isSo, string word) =>
        Results.Text(isSo ? $"{word}\n" : $"not {word}\n", statusCode: isSo ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);

    private static WebApplication Build(IPEndPoint listen, ILoggerFactory logging)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logging);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.AddServerHeader = false;
            server.Limits.MaxRequestBodySize = 0;
            server.Limits.MaxRequestHeadersTotalSize = HeadersBytes;
            server.Limits.MaxConcurrentConnections = Connections;
            server.Limits.MaxConcurrentUpgradedConnections = 0;
            server.Listen(listen, port => port.Protocols = HttpProtocols.Http1);
        });
        return builder.Build();
    }

    /// <summary>Looks once in a while for all who ask.</summary>
    private sealed class Look(TimeProvider time, Func<CancellationToken, Task<bool>> look) : IDisposable
    {
        private readonly SemaphoreSlim looking = new(1, 1);
        private (bool IsSo, long At)? seen;

        public async Task<bool> IsSoAsync(CancellationToken stop)
        {
            await looking.WaitAsync(stop);
            try
            {
                if (seen is not { } known || time.GetElapsedTime(known.At) >= Fresh)
                {
                    seen = known = (await look(stop), time.GetTimestamp());
                }

                return known.IsSo;
            }
            finally
            {
                looking.Release();
            }
        }

        public void Dispose() => looking.Dispose();
    }

    [LoggerMessage(EventId = 8202, Level = LogLevel.Information, Message = "Answering probes at {Address}")]
    private static partial void Listening(ILogger log, string address);
}
