using System.CommandLine;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt trust</c>: certificates for callers of the Orleans gateway and for block servers.</summary>
internal static class TrustCommand
{
    private const int Well = 0;
    private const int Unusable = 2;
    private const int MostDays = 3_650;

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "Folder of the service's data.", DefaultValueFactory = _ => ServeCommand.DefaultData() };
        var name = new Option<string>("--name") { Description = "The caller's name; the activity log says it.", Required = true };
        var role = new Option<string>("--role") { Description = "What it may do: viewer, operator, publisher or administrator.", Required = true };
        var into = new Option<string>("--out") { Description = "Folder for client.key, client.crt and ca.crt.", Required = true };
        var days = new Option<int>("--days") { Description = "How long the certificate is good.", DefaultValueFactory = _ => (int)PrivateAuthority.LeafLife.TotalDays };
        var issue = new Command("issue-client", "Make a key and a certificate with which a frontend calls the Orleans gateway.") { data, name, role, into, days };
        issue.SetAction(parsed => Issue(
            parsed.GetValue(data)!, parsed.GetValue(name)!, parsed.GetValue(role)!, parsed.GetValue(into)!, parsed.GetValue(days)));
        return new Command("trust", "Certificates for callers of the Orleans gateway, for block servers, and for the silos of a cluster.") { issue, IssueBlocks(), TrustSiloCommand.Create() };
    }

    private static Command IssueBlocks()
    {
        var data = new Option<string>("--data") { Description = "Folder of the service's data.", DefaultValueFactory = _ => ServeCommand.DefaultData() };
        var name = new Option<string>("--name") { Description = "The block server's name, such as its site's.", Required = true };
        var into = new Option<string>("--out") { Description = "Folder for blocks.key, blocks.crt and ca.crt.", Required = true };
        var days = new Option<int>("--days") { Description = "How long the certificate is good.", DefaultValueFactory = _ => (int)PrivateAuthority.LeafLife.TotalDays };
        var issue = new Command("issue-blocks", "Make a key and a certificate for a block server (imgmt blocks) on another machine.") { data, name, into, days };
        issue.SetAction(parsed => IssueBlocks(parsed.GetValue(data)!, parsed.GetValue(name)!, parsed.GetValue(into)!, parsed.GetValue(days)));
        return issue;
    }

    private static int IssueBlocks(string data, string name, string into, int days)
    {
        if (FaultOf(name, CallerRoles.Viewer, days) is { } fault)
        {
            Console.Error.WriteLine($"imgmt: {fault}");
            return Unusable;
        }

        try
        {
            SiloTrust.Open(data, new TrustOptions(), TimeProvider.System).IssueBlocks(name, TimeSpan.FromDays(days), Path.GetFullPath(into));
            Console.WriteLine($"{name} may serve blocks for {days} days: blocks.key, blocks.crt and ca.crt are in {Path.GetFullPath(into)}");
            return Well;
        }
        catch (TrustException problem)
        {
            Console.Error.WriteLine($"imgmt: {problem.Message}");
            return Unusable;
        }
    }

    private static int Issue(string data, string name, string role, string into, int days)
    {
        try
        {
            if (FaultOf(name, role, days) is { } fault)
            {
                Console.Error.WriteLine($"imgmt: {fault}");
                return Unusable;
            }

            SiloTrust.Open(data, new TrustOptions(), TimeProvider.System).IssueClient(name, role, TimeSpan.FromDays(days), Path.GetFullPath(into));
            Console.WriteLine($"{name} is {role} for {days} days: client.key, client.crt and ca.crt are in {Path.GetFullPath(into)}");
            return Well;
        }
        catch (TrustException problem)
        {
            Console.Error.WriteLine($"imgmt: {problem.Message}");
            return Unusable;
        }
    }

    private static string? FaultOf(string name, string role, int days)
    {
        string[] faults =
        [
            .. PodName.TryCreate(name, out _) ? Array.Empty<string>() : [$"--name '{name}' cannot be used: {PodName.Rule}."],
            .. CallerRoles.All.Contains(role) ? Array.Empty<string>() : [$"--role '{role}' is none: {string.Join(", ", CallerRoles.All)}."],
            .. days is > 0 and <= MostDays ? Array.Empty<string>() : [$"--days is {days}; 1 to {MostDays} are possible."],
        ];
        return faults.Length == 0 ? null : string.Join(" ", faults);
    }
}
