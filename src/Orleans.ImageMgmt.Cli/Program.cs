using System.CommandLine;

return await new RootCommand("imgctl: imports, publishes and watches golden images on every connected pod.").Parse(args).InvokeAsync();
