using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Cli.Tests;

/// <summary>A server that speaks HTTP and answers as a test wants it: what a broken server, or something between, may do.</summary>
internal sealed class OddServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private int asked;

    private OddServer(WebApplication app) => this.app = app;

    /// <summary>Where it listens.</summary>
    public Uri Url => new(app.Urls.Single());

    /// <summary>Requests that came so far.</summary>
    public int Asked => Volatile.Read(ref asked);

    public static async Task<OddServer> StartAsync(Func<HttpContext, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(options => options.ShutdownTimeout = TimeSpan.Zero);
        builder.Services.Configure<Microsoft.AspNetCore.Server.Kestrel.Core.KestrelServerOptions>(options => options.Limits.MaxRequestBodySize = null);
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var server = new OddServer(app);
        app.Run(async http =>
        {
            Interlocked.Increment(ref server.asked);
            await answer(http);
        });
        await app.StartAsync();
        return server;
    }

    /// <summary>Sends text and then nothing more, until the other side has had enough.</summary>
    public static async Task AndThenSilenceAsync(HttpContext http, string type, string text)
    {
        http.Response.ContentType = type;
        await http.Response.WriteAsync(text);
        await http.Response.Body.FlushAsync();
        await UntilGoneAsync(http);
    }

    /// <summary>Answers nothing until the other side has had enough.</summary>
    public static async Task UntilGoneAsync(HttpContext http)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = http.RequestAborted.Register(gone.SetResult);
        await gone.Task;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();
}
