using System.CommandLine;
using System.CommandLine.Help;

namespace Orleans.ImageMgmt.Cli;

/// <summary>All commands: verbs for the main job on top, then a noun for each thing.</summary>
internal static class Commands
{
    public static RootCommand Create(Wiring wiring, Screen screen)
    {
        var root = new RootCommand("imgctl imports golden images, publishes them to every connected pod, and watches them arrive.")
        {
            MainJobCommands.Import(wiring),
            MainJobCommands.Publish(wiring),
            UploadCommand.Create(wiring),
            MainJobCommands.Watch(wiring),
            StatusCommands.Status(wiring),
            PodCommands.Create(wiring),
            ImageCommands.Create(wiring),
            VersionCommands.Create(wiring),
            CopyCommands.Create(wiring),
            OperationCommands.Create(wiring),
            ActivityCommand.Create(wiring),
            TokenCommands.Create(wiring),
            ContextCommands.Create(wiring),
            StatusCommands.Backup(wiring),
            StatusCommands.SupportBundle(wiring),
            CompletionCommand.Create(wiring),
        };
        foreach (var option in wiring.Globals.All)
        {
            root.Add(option);
        }

        wiring.Names.Context(wiring.Globals.Context);
        root.Directives.Clear(); // our completion scripts ask in their own way
        root.Options.OfType<HelpOption>().Single().Action = new HelpWithExamples(wiring, screen);
        wiring.Show(root,
            "imgctl pod connect head-office --datastore /srv/imgmt/head-office --sources /srv/imgmt/sources",
            "imgctl import Win10POS 1.0 --pod head-office --source win10pos.qcow2 --wait",
            "imgctl publish Win10POS 1.0 --wait",
            "imgctl version copies Win10POS 1.0");
        return root;
    }
}
