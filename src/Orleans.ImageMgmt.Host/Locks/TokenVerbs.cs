using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Orleans.ImageMgmt.Grains.Durable;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt token reset</c>: the way back of whoever lost the administrator's token and owns the data folder.</summary>
internal static class TokenVerbs
{
    private const int Well = 0;
    private const int Unusable = 2;

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "Folder of the service's own database.", DefaultValueFactory = _ => ServeCommand.DefaultData() };
        var reset = new Command("reset", "Put a new administrator token in the place of the old one. The service must be stopped; the token is written to administrator.token in the folder.") { data };
        reset.SetAction((parsed, stop) => ResetAsync(parsed.GetValue(data)!, stop));
        var show = new Command("show", "Print the administrator's token that the first start has written into the folder, where no other program can read it (containers).") { data };
        show.SetAction((parsed, stop) => ShowAsync(parsed.GetValue(data)!, stop));
        return new Command("token", "The administrator's token. 'imgctl token' manages all others.") { reset, show };
    }

    private static async Task<int> ShowAsync(string data, CancellationToken stop)
    {
        try
        {
            await Console.Out.WriteLineAsync((await File.ReadAllTextAsync(Path.Combine(data, FirstStart.TokenFile), stop)).Trim());
            return Well;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"imgmt: The token cannot be read: {problem.Message} In a cluster the silo that was first has the file.");
            return Unusable;
        }
    }

    private static async Task<int> ResetAsync(string data, CancellationToken stop)
    {
        try
        {
            if (!Directory.Exists(data))
            {
                throw new ArgumentException($"There is no folder {Path.GetFullPath(data)}. Name the service's data folder with --data.");
            }

            await using var store = EmbeddedStore.Open(data, new DurableOptions(), NullLogger.Instance, TimeProvider.System);
            var secret = Secrets.New();
            await TokenReset.RunAsync(store, Secrets.HashOf(secret)!.Value, new RequestedBy(Environment.UserName, "imgmt token reset"), TimeProvider.System, stop);
            var file = Path.Combine(store.DataDirectory, FirstStart.TokenFile);
            PrivateFiles.Write(file, secret + "\n", isSecret: true);
            await Console.Out.WriteLineAsync($"The administrator has a new token, in {file}. The one before no longer works.");
            return Well;
        }
        catch (Exception problem) when (problem is StoreException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"imgmt: {problem.Message}");
            return Unusable;
        }
    }
}
