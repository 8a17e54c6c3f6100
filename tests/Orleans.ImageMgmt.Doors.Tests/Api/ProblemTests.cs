using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Api;

/// <summary>Goal: bad input gets one clear answer that says what, where and what to do, and changes nothing. Method: raw requests against a real server.</summary>
public sealed partial class ProblemTests
{
    /// <summary>Method, path, media type, body; then status, code, and the fields that the answer names.</summary>
    public static TheoryData<string, string, string?, string?, int, string, string> Hostile { get; } = new()
    {
        { "GET", "/api/v1/nothing", null, null, 404, "route.unknown", "" },
        { "GET", "/api/v1/pods/..%2f..%2fetc%2fpasswd", null, null, 422, "request.invalid", "pod" },
        { "GET", "/api/v1/images/a%01b", null, null, 422, "request.invalid", "image" },
        { "GET", "/api/v1/images/a/versions/-1.0", null, null, 422, "request.invalid", "version" },
        { "GET", "/api/v1/pods/paris", null, null, 404, "pod.unknown", "" },
        { "GET", "/api/v1/images/win", null, null, 404, "image.unknown", "" },
        { "GET", "/api/v1/images/win/versions", null, null, 404, "image.unknown", "" },
        { "GET", "/api/v1/images/win/versions/1.0", null, null, 404, "version.unknown", "" },
        { "GET", "/api/v1/images/win/versions/1.0/copies/paris", null, null, 404, "copy.unknown", "" },
        { "GET", "/api/v1/operations/op-1", null, null, 404, "operation.unknown", "" },
        { "GET", "/api/v1/operations/op-1/events", null, null, 404, "operation.unknown", "" },
        { "GET", "/api/v1/pods?limit=0", null, null, 422, "request.invalid", "limit" },
        { "GET", "/api/v1/pods?limit=501&cursor=x&state=dead&sort=size&colour=red", null, null, 422, "request.invalid", "colour,state,sort,cursor,limit" },
        { "GET", "/api/v1/pods?limit=1&limit=2", null, null, 422, "request.invalid", "limit" },
        { "GET", "/api/v1/pods?label=site", null, null, 422, "request.invalid", "label" },
        { "GET", "/api/v1/activity?cursor=-1", null, null, 422, "request.invalid", "cursor" },
        { "PATCH", "/api/v1/pods/paris", null, null, 405, "route.method", "" },
        { "PUT", "/api/v1/pods/paris", "text/plain", "x", 415, "request.media-type", "" },
        { "PUT", "/api/v1/pods/paris", "application/json", "", 400, "request.malformed", "" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\n  \"family\": oops }", 400, "request.malformed", "" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\"family\":\"a\",\"family\":\"b\"}", 400, "request.malformed", "" },
        { "PUT", "/api/v1/pods/paris", "application/json", "[]", 422, "request.invalid", "" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\"slots\":\"two\",\"famly\":\"x\",\"labels\":{\"a\":1}}", 422, "request.invalid", "slots,famly,labels.a,family" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\"family\":null}", 422, "request.invalid", "family" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\"family\":\"filesystem\",\"slots\":99}", 422, "request.invalid", "slots" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\"family\":\"filesystem\"}", 422, "pod.invalid", "" },
        { "PUT", "/api/v1/pods/paris", "application/json", "{\"family\":\"vsphere\"}", 422, "pod.invalid", "" },
        { "PUT", "/api/v1/pods/paris/labels", "application/json", "{\"labels\":{}}", 404, "pod.unknown", "" },
        { "POST", "/api/v1/pods/paris/drain", null, null, 404, "pod.unknown", "" },
        { "POST", "/api/v1/images/win/versions", "application/json", "{\"pod\":\"no/pod\",\"source\":\"\",\"version\":\"..\",\"step\":\"minor\",\"sha256\":\"12\",\"format\":\"zip\"}", 422, "request.invalid", "pod,version,sha256,format,source,step" },
        { "POST", "/api/v1/images/win/versions", "application/json", "{\"pod\":\"paris\",\"source\":\"a.raw\",\"step\":\"huge\"}", 422, "request.invalid", "step" },
        { "POST", "/api/v1/images/win/versions", "application/json", "{\"pod\":\"paris\",\"source\":\"a.raw\"}", 409, "pod.not-connected", "" },
        { "POST", "/api/v1/images/win/versions/1.0/publish", "application/json", "{\"pods\":[\"a\",\"b c\"],\"labels\":{}}", 422, "request.invalid", "labels,pods[1]" },
        { "POST", "/api/v1/images/win/versions/1.0/publish", null, null, 404, "version.unknown", "" },
        { "DELETE", "/api/v1/images/win/versions/1.0", null, null, 404, "version.unknown", "" },
        { "POST", "/api/v1/operations/op-1/cancel", null, null, 404, "operation.unknown", "" },
        { "POST", "/api/v1/operations/op-1/retry", "application/json", "{\"pod\":\"a b\"}", 422, "request.invalid", "pod" },
    };

    [Fact]
    public async Task Every_hostile_request_gets_a_problem_document_and_the_server_lives()
    {
        await using var host = await PodsHost.StartAsync();
        foreach (var row in Hostile)
        {
            var (method, path, media, body, status, code, fields) = row.Data;
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (body is not null)
            {
                request.Content = new StringContent(body, Encoding.UTF8, media!);
            }

            using var answer = await host.Http.SendAsync(request, host.Stop);
            var text = await answer.Content.ReadAsStringAsync(host.Stop);
            Assert.True(status == (int)answer.StatusCode, $"{method} {path} {body}: {(int)answer.StatusCode} {text}");
            Assert.Equal(Problem.MediaType, answer.Content.Headers.ContentType?.MediaType);
            var problem = (await answer.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, host.Stop))!;
            Assert.Equal((code, Problem.TypePrefix + code, status), (problem.Code, problem.Type, problem.Status));
            Assert.Equal(fields.Split(',', StringSplitOptions.RemoveEmptyEntries).Order(), (problem.Errors ?? []).Select(e => e.Field).Where(f => f.Length > 0).Order());
            Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
            Assert.DoesNotContain("Exception", text, StringComparison.Ordinal);
        }

        Assert.Empty(await host.Client.AllPodsAsync(cancellationToken: host.Stop).ToListAsync(host.Stop));
        Assert.Empty(await host.Client.AllActivityAsync(cancellationToken: host.Stop).Where(l => l.Action.StartsWith("pod.", StringComparison.Ordinal)).ToListAsync(host.Stop));
    }

    [Fact]
    public async Task A_body_beyond_the_limit_and_a_body_nested_too_deeply_are_refused()
    {
        await using var host = await PodsHost.StartAsync();
        using var large = await host.Http.PutAsync("/api/v1/pods/paris", new StringContent($"{{\"family\":\"{new string('x', StrictBody.SizeLimit)}\"}}", Encoding.UTF8, "application/json"), host.Stop);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        using var deep = await host.Http.PutAsync("/api/v1/pods/paris", new StringContent(new string('[', 10_000), Encoding.UTF8, "application/json"), host.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, deep.StatusCode);
        Assert.Equal("request.malformed", (await deep.Content.ReadFromJsonAsync<Problem>(ImageMgmtJson.Options, host.Stop))!.Code);
    }

    [Fact]
    public void Every_refusal_of_the_domain_and_the_grains_has_a_status()
    {
        var root = Repository();
        var codes = Directory.EnumerateFiles(Path.Combine(root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(f => f.Contains("ImageMgmt.Domain", StringComparison.Ordinal) || f.Contains("ImageMgmt.Grains", StringComparison.Ordinal) || f.Contains("ImageMgmt.Client", StringComparison.Ordinal))
            .SelectMany(f => RefusalCode().Matches(File.ReadAllText(f)).Select(m => m.Groups[1].Value)).Distinct().ToList();
        Assert.NotEmpty(codes);
        Assert.Empty(codes.Where(c => !c.StartsWith("list-sources.", StringComparison.Ordinal)).Except(ProblemStatus.Codes));
    }

    [Theory]
    [InlineData(typeof(Domain.PodState), typeof(PodState))]
    [InlineData(typeof(Domain.CopyState), typeof(CopyState))]
    [InlineData(typeof(Domain.CopyRole), typeof(CopyRole))]
    [InlineData(typeof(Domain.ImageStatus), typeof(ImageStatus))]
    [InlineData(typeof(Domain.VersionStatus), typeof(VersionStatus))]
    [InlineData(typeof(Domain.OperationState), typeof(OperationState))]
    [InlineData(typeof(Domain.TargetOutcome), typeof(TargetOutcome))]
    public void A_word_of_the_domain_is_the_same_word_on_the_wire(Type domain, Type wire)
    {
        Assert.Equal(Enum.GetNames(domain).Order(), Enum.GetNames(wire).Order());
    }

    internal static string Repository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Orleans.ImageMgmt.sln")))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return folder;
    }

    [GeneratedRegex("""" (?:Refus\w*(?:<[^(]*>)?\(\s*|Code = )"([a-z]+(?:-[a-z]+)*\.[a-z-]+)" """", RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex RefusalCode();
}
