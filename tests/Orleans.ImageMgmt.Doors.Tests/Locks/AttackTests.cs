using System.Net;
using System.Text;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>
/// Goal: no name or path of a user reaches the file system unchecked. Method: a table of attacks, each put into every place that takes a name: the
/// parts of every path, the name of a token, the source of an import. Nothing may succeed, fail as our own fault, or change a file outside the database.
/// </summary>
public sealed class AttackTests
{
    private static readonly (string Name, string Text)[] attacks =
    [
        ("parent", ".."),
        ("traversal", "../../../../etc/passwd"),
        ("traversal in the middle", "a/../../b"),
        ("backslash traversal", "..\\..\\windows\\win.ini"),
        ("absolute", "/etc/passwd"),
        ("drive", "C:\\boot.ini"),
        ("share", "\\\\server\\share"),
        ("encoded traversal", "%2e%2e%2fetc%2fpasswd"),
        ("twice encoded traversal", "%252e%252e%252fetc"),
        ("overlong encoding", "%c0%ae%c0%ae%c0%af"),
        ("dot", "."),
        ("hidden", ".ssh"),
        ("trailing dot", "name."),
        ("trailing space", "name "),
        ("leading dash is a name of ours, with a space", "-rf /"),
        ("new line", "a\nb"),
        ("carriage return", "a\r\nX-Planted: yes"),
        ("escape", "\u001b[31mred"),
        ("bell", "a\ab"),
        ("delete", "a\u007fb"),
        ("device", "/dev/sda"),
        ("process memory", "/proc/self/mem"),
        ("stream", "name::$DATA"),
        ("reserved name with ending", "CON.raw/x"),
        ("star", "*"),
        ("question mark", "a?b"),
        ("dollar", "$(reboot)"),
        ("backtick", "`reboot`"),
        ("pipe", "a|b"),
        ("semicolon", "a;b"),
        ("quote", "a'--"),
        ("double quote", "a\"b"),
        ("markup", "<script>alert(1)</script>"),
        ("template", "{{7*7}}"),
        ("format", "%s%n%x"),
        ("full-width solidus", "a\uff0fb"),
        ("full-width dots", "\uff0e\uff0e"),
        ("division slash", "a\u2215b"),
        ("Cyrillic look-alike", "W\u0456n10POS"),
        ("combining mark", "Wi\u0301n"),
        ("right-to-left override", "a\u202egnp.exe"),
        ("zero width space", "a\u200bb"),
        ("byte order mark", "\ufeffname"),
        ("emoji", "\ud83d\ude00"),
        ("too long by one", new string('a', 65)),
        ("far too long", new string('a', 5_000)),
        ("empty", " "),
    ];

    [Fact]
    public async Task No_attack_in_a_path_succeeds_breaks_the_server_or_touches_a_file()
    {
        await using var server = await DoorsHost.StartAsync();
        var before = Files(server);
        List<string> wrong = [];
        foreach (var (method, route) in EndpointRoleTests.Endpoints(server).Where(e => e.Route.Contains('{', StringComparison.Ordinal) && !e.Route.StartsWith("/dashboard", StringComparison.Ordinal)))
        {
            foreach (var (name, text) in attacks.Where(a => a.Text.Trim().Length > 0 && a.Text is not ("." or "..")))
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), EndpointRoleTests.Fill(route, Uri.EscapeDataString(text)));
                request.Content = method is "GET" or "HEAD" or "DELETE" ? null : new StringContent("{}", Encoding.UTF8, "application/json");
                using var answer = await server.Admin.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, DoorsHost.Stop);
                if ((int)answer.StatusCode is < 400 or >= 500 || answer.Headers.Contains("X-Planted"))
                {
                    wrong.Add($"{method} {route} with {name}: {(int)answer.StatusCode}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal(before, Files(server));
        await server.StillWorksAsync();
    }

    [Fact]
    public async Task No_attack_on_the_name_of_a_token_makes_one()
    {
        await using var server = await DoorsHost.StartAsync();
        foreach (var (name, text) in attacks)
        {
            using var answer = await server.Admin.PostAsync("/api/v1/tokens", DoorsHost.Json(new { name = text, role = "viewer" }), DoorsHost.Stop);
            Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{name}: {(int)answer.StatusCode}");
            Assert.Equal("request.invalid", await DoorsHost.CodeOfAsync(answer));
        }

        await server.StillWorksAsync();
    }

    /// <summary>Goal: an import takes nothing but plain files of the sources folder. Method: a good disk beside the folder, and every way to it; a pipe; a device.</summary>
    [Fact]
    public async Task No_attack_on_the_source_of_an_import_takes_a_file_from_elsewhere()
    {
        await using var server = await PodsHost.StartAsync();
        await server.ConnectAsync("source");
        server.MakeSource("good.raw");
        var outside = Path.Combine(server.Root, "outside.raw");
        File.Copy(Path.Combine(server.Sources, "good.raw"), outside);
        File.CreateSymbolicLink(Path.Combine(server.Sources, "link.raw"), outside);
        Directory.CreateSymbolicLink(Path.Combine(server.Sources, "folder"), server.Root);
        using (var pipe = System.Diagnostics.Process.Start("mkfifo", [Path.Combine(server.Sources, "pipe.raw")]))
        {
            await pipe.WaitForExitAsync(server.Stop);
        }

        string[] sources = ["../outside.raw", "./../outside.raw", "a/../../outside.raw", outside, "link.raw", "folder/outside.raw", "folder", "pipe.raw", "/dev/zero", "/etc/passwd", "..", ".", "", "missing.raw", new string('a', 5_000), "good.raw\0.txt"];
        var number = 0;
        foreach (var source in sources)
        {
            Assert.True(await IsRefusedAsync(server, $"attack-{number++}", source), $"an import took '{source}'");
        }

        Assert.False(await IsRefusedAsync(server, "good", "good.raw"), "a plain file is taken");
        Assert.Equal("live\n", await server.Http.GetStringAsync(Routes.Liveness, server.Stop));
    }

    [Theory]
    [InlineData("/dashboard/fonts/../../../../etc/passwd")]
    [InlineData("/dashboard/fonts/..%2f..%2f..%2fetc%2fpasswd")]
    [InlineData("/dashboard/img/%2e%2e/%2e%2e/etc/passwd")]
    [InlineData("/dashboard/fonts//etc/passwd")]
    [InlineData("/dashboard/img/..\\..\\store.db")]
    public async Task The_dashboards_files_lead_nowhere_else(string path)
    {
        await using var server = await DoorsHost.StartAsync();
        using var raw = await RawConnection.OpenAsync(server.Address);
        await raw.WriteAsync($"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {server.AdministratorToken}\r\n\r\n");
        var answer = await raw.ReadToEndAsync();

        Assert.Matches("^HTTP/1.1 40[04]", answer);
        Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);
    }

    private static async Task<bool> IsRefusedAsync(PodsHost server, string image, string source)
    {
        try
        {
            var import = await server.Client.ImportAsync(image, new ImportRequest { Pod = "source", Source = source }, cancellationToken: server.Stop);
            return (await server.EndOfAsync(import.Id)).State == OperationState.Failed;
        }
        catch (ProblemException refused) when ((int)refused.StatusCode is >= 400 and < 500)
        {
            return true;
        }
    }

    /// <summary>Everything that lies in the server's folder, but for what the database itself makes.</summary>
    private static List<string> Files(DoorsHost server) =>
        [.. Directory.EnumerateFileSystemEntries(server.Root, "*", SearchOption.AllDirectories).Where(f => !Path.GetFileName(f).Contains(".db", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
}
