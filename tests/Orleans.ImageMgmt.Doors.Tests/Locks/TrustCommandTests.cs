using System.Security.Cryptography.X509Certificates;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: <c>imgmt trust issue-client</c> makes certificates that the service accepts, or says what is wrong and makes nothing. Method: the real program.</summary>
public sealed class TrustCommandTests
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Fact]
    public async Task A_certificate_is_issued_beside_a_running_service_by_its_own_authority_and_the_key_is_private()
    {
        await using var server = await DoorsHost.StartAsync();
        var into = Path.Combine(server.Root, "caller");

        var (code, output) = await IssueAsync("--data", server.Data, "--name", "frontend", "--role", "publisher", "--days", "30", "--out", into);

        Assert.True(code == 0, output);
        Assert.Contains("frontend is publisher for 30 days", output, StringComparison.Ordinal);
        Assert.Equal(["ca.crt", "client.crt", "client.key"], Directory.EnumerateFiles(into).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(Private, File.GetUnixFileMode(Path.Combine(into, "client.key")));
        using var certificate = X509Certificate2.CreateFromPemFile(Path.Combine(into, "client.crt"), Path.Combine(into, "client.key"));
        Assert.Equal(["frontend", "imgmt client", "publisher"], certificate.SubjectName.EnumerateRelativeDistinguishedNames().Select(part => part.GetSingleElementValue()).Order(StringComparer.Ordinal));
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(Path.Combine(server.Data, "trust", "ca.crt"));
        Assert.True(chain.Build(certificate));
        Assert.InRange(certificate.NotAfter.ToUniversalTime() - DoorsHost.Now.UtcDateTime, TimeSpan.FromDays(29), TimeSpan.FromDays(30));
    }

    [Fact]
    public async Task A_folder_without_a_service_is_refused_and_gets_no_keys()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var (code, output) = await IssueAsync("--data", Path.Combine(root, "typo"), "--name", "frontend", "--role", "viewer", "--out", Path.Combine(root, "caller"));

        Assert.Equal(2, code);
        Assert.Contains("There are no keys of a service in", output, StringComparison.Ordinal);
        Assert.Contains("--data", output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(root));
        Directory.Delete(root);
    }

    [Fact]
    public async Task Every_wrong_argument_is_named_at_once()
    {
        await using var server = await DoorsHost.StartAsync();
        var (code, output) = await IssueAsync("--data", server.Data, "--name", "a b", "--role", "king", "--days", "0", "--out", Path.Combine(server.Root, "caller"));

        Assert.Equal(2, code);
        Assert.All((string[])["--name 'a b'", "--role 'king'", "--days is 0"], part => Assert.Contains(part, output, StringComparison.Ordinal));
        Assert.False(Directory.Exists(Path.Combine(server.Root, "caller")));
    }

    [Fact]
    public async Task With_an_authority_given_by_files_it_says_where_and_how_to_issue_and_makes_nothing()
    {
        await using var server = await DoorsHost.StartAsync();
        var trust = Path.Combine(server.Data, "trust");
        var config = Path.Combine(server.Root, "imgmt.json");
        await File.WriteAllTextAsync(config, $$"""
            { "Trust": { "Authority": "{{trust}}/ca.crt", "Certificate": "{{trust}}/silo.pem", "Key": "{{trust}}/silo.pem" } }
            """, DoorsHost.Stop);
        var (code, output) = await IssueAsync("--data", server.Data, "--config", config, "--name", "frontend", "--role", "viewer", "--out", Path.Combine(server.Root, "caller"));

        Assert.Equal(2, code);
        Assert.Contains($"{trust}/ca.crt (Trust:Authority) and has no key of it", output, StringComparison.Ordinal);
        Assert.All((string[])["O=imgmt client", "OU=viewer", "CN=frontend"], part => Assert.Contains(part, output, StringComparison.Ordinal));
        Assert.False(Directory.Exists(Path.Combine(server.Root, "caller")));

        var (half, said) = await IssueAsync("--data", server.Data, "--set", $"Trust:Authority={trust}/ca.crt", "--name", "frontend", "--role", "viewer", "--out", Path.Combine(server.Root, "caller"));
        Assert.Equal(2, half);
        Assert.Contains("belong together", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_named_and_nobody_is_told_to_remove_the_keys()
    {
        await using var server = await DoorsHost.StartAsync();
        var (code, output) = await IssueAsync("--data", server.Data, "--name", "frontend", "--role", "viewer", "--out", "/proc/nowhere");

        Assert.Equal(2, code);
        Assert.Contains("cannot be written into /proc/nowhere", output, StringComparison.Ordinal);
        Assert.DoesNotContain("remove the folder", output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output)> IssueAsync(params string[] arguments)
    {
        await using var program = ImgmtProgram.Start(["trust", "issue-client", .. arguments]);
        return (await program.ExitAsync(), program.Output);
    }
}
