using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt openapi</c>: writes the API's description. The build calls it, so that the document lies beside the program that it describes.</summary>
internal static class OpenApiCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static Command Create()
    {
        var file = new Option<string?>("--out") { Description = "File to write; left out: standard output." };
        var command = new Command("openapi", "Write the description of the HTTP API (OpenAPI 3.1).") { file };
        command.SetAction((parsed, stop) => RunAsync(parsed.GetValue(file), stop));
        return command;
    }

    /// <summary>Asks a service of its own, on any free port and an empty data folder: the description is what a real one answers.</summary>
    private static async Task<int> RunAsync(string? file, CancellationToken stop)
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-openapi-");
        try
        {
            var settings = new HostSettings(folder.FullName) { Http = new HttpOptions { Listen = "http://127.0.0.1:0" }, Log = new LogOptions { Level = LogLevel.Error } };
            await using var host = await ServiceHost.StartAsync(settings, stop);
            using var endpoint = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder.FullName, FirstStart.EndpointFile), stop));
            using var http = new HttpClient { BaseAddress = new Uri(endpoint.RootElement.GetProperty("url").GetString()!), Timeout = Limit };
            var token = (await File.ReadAllTextAsync(Path.Combine(folder.FullName, FirstStart.TokenFile), stop)).Trim();
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            var text = await http.GetStringAsync(new Uri(Routes.OpenApi, UriKind.Relative), stop);
            await (file is null ? Console.Out.WriteLineAsync(text) : File.WriteAllTextAsync(file, text, stop));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
