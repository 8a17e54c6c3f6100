using System.CommandLine;
using Orleans.ImageMgmt.Host;

var root = new RootCommand("imgmt: keeps golden images in one catalog and puts a verified copy of each published version on every pod.")
{
    ServeCommand.Create(),
    BlocksCommand.Create(),
    DemoCommand.Create(),
    TokenVerbs.Create(),
    TrustCommand.Create(),
    ConfigCommand.Create(),
    OpenApiCommand.Create(),
    BackupCommand.Create(),
    RestoreCommand.Create(),
    MoveCommand.Create(),
};

// After a signal: the longest leave, what runs is handed over, the host ends. What is then still there ends with the process.
var longestEnd = ClusterModeOptions.DrainLimit + TimeSpan.FromMinutes(1);
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = longestEnd });
