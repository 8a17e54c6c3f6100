using System.CommandLine;
using Orleans.ImageMgmt.Client;

namespace Orleans.ImageMgmt.Host;

/// <summary><c>imgmt trust issue-silo</c>: the certificate with which one silo joins a cluster. The authority lies in the folder named with <c>--data</c>, which is
/// made when it is not there; keep it on one machine.</summary>
internal static class TrustSiloCommand
{
    private const int MostDays = 3_650;

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "Folder of the cluster's authority; made when it is not there.", Required = true };
        var into = new Option<string>("--out") { Description = "Folder for silo.key, silo.crt and ca.crt: the values of Trust:Key, Trust:Certificate and Trust:Authority.", Required = true };
        var days = new Option<int>("--days") { Description = "How long the certificate is good.", DefaultValueFactory = _ => (int)PrivateAuthority.LeafLife.TotalDays };
        var issue = new Command("issue-silo", "Make a key and a certificate with which a silo joins a cluster.") { data, into, days };
        issue.SetAction(parsed => Issue(parsed.GetValue(data)!, Path.GetFullPath(parsed.GetValue(into)!), parsed.GetValue(days)));
        return issue;
    }

    private static int Issue(string data, string into, int days)
    {
        try
        {
            if (days is < 1 or > MostDays)
            {
                throw new TrustException($"--days is {days}; 1 to {MostDays} are possible.");
            }

            Directory.CreateDirectory(data);
            SiloTrust.Open(data, new TrustOptions(), TimeProvider.System).IssueSilo(TimeSpan.FromDays(days), into);
            Console.WriteLine($"A silo may join for {days} days: silo.key, silo.crt and ca.crt are in {into}");
            return 0;
        }
        catch (Exception problem) when (problem is TrustException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"imgmt: {problem.Message}");
            return 2;
        }
    }
}
