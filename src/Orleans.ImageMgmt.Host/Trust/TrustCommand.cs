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

    public static Command Create() =>
        new("trust", "Certificates for callers of the Orleans gateway, for block servers, and for the silos of a cluster.") { IssueClient(), IssueBlocks(), TrustSiloCommand.Create() };

    private static Command IssueClient()
    {
        var (data, config, set, days) = (ServeCommand.DataOption(), ServeCommand.ConfigOption(), ServeCommand.SetOption(), DaysOption());
        var name = new Option<string>("--name") { Description = "The caller's name; the activity log says it.", Required = true };
        var role = new Option<string>("--role") { Description = "What it may do: viewer, operator, publisher or administrator.", Required = true };
        var into = new Option<string>("--out") { Description = "Folder for client.key, client.crt and ca.crt.", Required = true };
        var issue = new Command("issue-client", "Make a key and a certificate with which a frontend calls the Orleans gateway.") { data, config, set, name, role, into, days };
        issue.SetAction(parsed => Issue(
            new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(config), Assignments = parsed.GetValue(set) ?? [] },
            FaultOf(parsed.GetValue(name)!, parsed.GetValue(role)!, parsed.GetValue(days)),
            trust => trust.IssueClient(parsed.GetValue(name)!, parsed.GetValue(role)!, TimeSpan.FromDays(parsed.GetValue(days)), Path.GetFullPath(parsed.GetValue(into)!)),
            $"{parsed.GetValue(name)} is {parsed.GetValue(role)} for {parsed.GetValue(days)} days: client.key, client.crt and ca.crt are in {Path.GetFullPath(parsed.GetValue(into)!)}"));
        return issue;
    }

    private static Command IssueBlocks()
    {
        var (data, config, set, days) = (ServeCommand.DataOption(), ServeCommand.ConfigOption(), ServeCommand.SetOption(), DaysOption());
        var name = new Option<string>("--name") { Description = "The block server's name, such as its site's.", Required = true };
        var into = new Option<string>("--out") { Description = "Folder for blocks.key, blocks.crt and ca.crt.", Required = true };
        var issue = new Command("issue-blocks", "Make a key and a certificate for a block server (imgmt blocks) on another machine.") { data, config, set, name, into, days };
        issue.SetAction(parsed => Issue(
            new SettingsRequest(parsed.GetValue(data)!) { File = parsed.GetValue(config), Assignments = parsed.GetValue(set) ?? [] },
            FaultOf(parsed.GetValue(name)!, CallerRoles.Viewer, parsed.GetValue(days)),
            trust => trust.IssueBlocks(parsed.GetValue(name)!, TimeSpan.FromDays(parsed.GetValue(days)), Path.GetFullPath(parsed.GetValue(into)!)),
            $"{parsed.GetValue(name)} may serve blocks for {parsed.GetValue(days)} days: blocks.key, blocks.crt and ca.crt are in {Path.GetFullPath(parsed.GetValue(into)!)}"));
        return issue;
    }

    private static Option<int> DaysOption() =>
        new("--days") { Description = "How long the certificate is good.", DefaultValueFactory = _ => (int)PrivateAuthority.LeafLife.TotalDays };

    /// <summary>With the service's own settings: under an authority that was given by files (Trust:*) nothing can be issued here, and nothing must seem to be.</summary>
    private static int Issue(SettingsRequest request, string? fault, Action<SiloTrust> issue, string done)
    {
        try
        {
            if (fault is not null)
            {
                Console.Error.WriteLine($"imgmt: {fault}");
                return Unusable;
            }

            var trust = new HostSettings(request.DataFolder) { Http = new HttpOptions() }.FillOrThrow(request).Trust;
            if (!trust.AreFilesGiven && !SiloTrust.HasKeys(request.DataFolder))
            {
                throw new TrustException($"There are no keys of a service in {Path.GetFullPath(request.DataFolder)}. Name the data folder of the service with --data; its first start makes them.");
            }

            issue(SiloTrust.Open(request.DataFolder, trust, TimeProvider.System));
            Console.WriteLine(done);
            return Well;
        }
        catch (Exception problem) when (problem is TrustException or SettingsException)
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
