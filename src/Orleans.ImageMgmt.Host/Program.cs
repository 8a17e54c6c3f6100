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
return await root.Parse(args).InvokeAsync();
