using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>
/// Goal: nobody opens an endpoint by mistake. Method: every endpoint that the running server has is asked by every kind of caller; what it
/// answers stands in a committed table, so that a new or a changed endpoint is read by a person.
/// </summary>
public sealed partial class EndpointRoleTests
{
    private static readonly string[] callers = ["none", "unknown", "expired", "revoked", "viewer", "operator", "publisher", "administrator"];

    [Fact]
    public async Task Every_endpoint_answers_every_kind_of_caller_as_its_table_says()
    {
        await using var server = await DoorsHost.StartAsync();
        var clients = await ClientsAsync(server);
        var text = new StringBuilder("# who gets in: '-' = 401, 'x' = 403, 'in' = the endpoint itself answered\n")
            .Append(new string(' ', 62)).AppendLine(string.Concat(callers.Select(c => c.PadRight(14))).TrimEnd());
        foreach (var (method, route) in Endpoints(server))
        {
            text.Append(CultureInfo.InvariantCulture, $"{method + " " + route,-62}");
            var line = new StringBuilder();
            foreach (var caller in callers)
            {
                line.Append((await AskAsync(clients[caller], method, route)).PadRight(14));
            }

            text.Append(line.ToString().TrimEnd()).Append('\n');
        }

        Golden.Check("endpoint-roles", text.ToString());
        await server.StillWorksAsync();
    }

    /// <summary>Goal: the table cannot be weakened by accepting it blindly. Method: the few endpoints that ask nobody are named here.</summary>
    [Fact]
    public async Task Only_liveness_and_the_sign_in_form_ask_for_no_token()
    {
        await using var server = await DoorsHost.StartAsync();
        using var nobody = server.Client();
        List<string> open = [];
        foreach (var (method, route) in Endpoints(server))
        {
            if (await AskAsync(nobody, method, route) != "-")
            {
                open.Add($"{method} {route}");
            }
        }

        Assert.Equal(["GET /livez", "GET /sign-in", "POST /sign-in", "POST /sign-out"], open.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("GET", "/nowhere")]
    [InlineData("GET", "/api/v1/nowhere")]
    [InlineData("PUT", "/api/v1/tokens")]
    [InlineData("GET", "/dashboard/nowhere")]
    [InlineData("OPTIONS", "/api/v1/me")]
    [InlineData("TRACE", "/api/v1/me")]
    public async Task What_is_not_there_is_closed_too(string method, string path)
    {
        await using var server = await DoorsHost.StartAsync();
        using var nobody = server.Client();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await nobody.SendAsync(request, DoorsHost.Stop);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    internal static IEnumerable<(string Method, string Route)> Endpoints(DoorsHost server) =>
        server.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => (m, e.RoutePattern.RawText!)))
            .Select(e => (e.m, e.Item2.StartsWith('/') ? e.Item2 : "/" + e.Item2))
            .Distinct().OrderBy(e => e.Item2, StringComparer.Ordinal).ThenBy(e => e.m, StringComparer.Ordinal);

    /// <summary>A path of this route with a value in every place.</summary>
    internal static string Fill(string route, string value) => Parameter().Replace(route, m => m.Value.Contains(":int", StringComparison.Ordinal) ? "1" : value);

    private static async Task<string> AskAsync(HttpClient client, string method, string route)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), Fill(route, "nobody"));
        if (method is not ("GET" or "HEAD" or "DELETE"))
        {
            request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
        }

        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, DoorsHost.Stop); // a stream may have no end
        Assert.True(answer.StatusCode != HttpStatusCode.InternalServerError, $"{method} {route} answered 500: {await answer.Content.ReadAsStringAsync(DoorsHost.Stop)}");
        return answer.StatusCode switch { HttpStatusCode.Unauthorized when !route.StartsWith("/sign", StringComparison.Ordinal) => "-", HttpStatusCode.Forbidden => "x", _ => "in" };
    }

    private static async Task<Dictionary<string, HttpClient>> ClientsAsync(DoorsHost server)
    {
        var clients = new Dictionary<string, HttpClient> { ["none"] = server.Client(), ["unknown"] = server.Client(Host.Secrets.New()), ["administrator"] = server.Admin };
        clients["expired"] = server.Client(await server.ExpiredTokenAsync("expired", "administrator"));
        clients["revoked"] = server.Client(await server.TokenAsync("revoked", "administrator"));
        using var gone = await server.Admin.DeleteAsync("/api/v1/tokens/revoked", DoorsHost.Stop);
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        foreach (var role in (string[])["viewer", "operator", "publisher"])
        {
            clients[role] = server.Client(await server.TokenAsync(role, role));
        }

        return clients;
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
