using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>The sample frontends do against a running service what they say, each in a process of its own.</summary>
public sealed class SampleTests
{
    [Fact]
    public async Task The_frontend_with_the_client_SDK_imports_publishes_and_prints_receipts()
    {
        await using var service = await ServiceUnderTest.StartAsync();
        await service.PrepareAsync("golden.raw", "pod-1", "pod-2", "pod-3");
        var ran = (await Finished.SampleAsync(
            "ClientFrontend", $"127.0.0.1:{service.GatewayPort}", service.Issue("frontend", "publisher"), "Win10POS", "pod-1", "golden.raw")).Well();

        Assert.Equal(["pod pod-1: Connected, filesystem", "pod pod-2: Connected, filesystem", "pod pod-3: Connected, filesystem"], ran.Lines.Take(3));
        Assert.Contains("import Win10POS/1.0: DeploymentComplete", ran.Lines);
        Assert.Contains(ran.Lines, line => line.StartsWith("publish Win10POS/1.0: 2 of 2 available, 0 failed", StringComparison.Ordinal));
        Assert.Equal(["pod-2", "pod-3"], ReceiptsOf(ran));
    }

    [Fact]
    public async Task The_frontend_with_the_client_SDK_says_why_it_was_refused()
    {
        await using var service = await ServiceUnderTest.StartAsync();
        await service.PrepareAsync("golden.raw", "pod-1");
        var ran = await Finished.SampleAsync(
            "ClientFrontend", $"127.0.0.1:{service.GatewayPort}", service.Issue("frontend", "viewer"), "Win10POS", "pod-1", "golden.raw");
        Assert.Equal(1, ran.ExitCode);
        Assert.Contains("(role.missing)", ran.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_frontend_over_HTTP_imports_publishes_and_prints_receipts()
    {
        await using var service = await ServiceUnderTest.StartAsync(hasHttp: true);
        await service.PrepareAsync("golden.raw", "pod-1", "pod-2", "pod-3");
        var ran = (await Finished.SampleAsync(
            "HttpFrontend", service.Url, Path.Combine(service.DataFolder, "administrator.token"), "Win10POS", "pod-1", "golden.raw")).Well();

        Assert.Equal(["pod pod-1: Connected, filesystem", "pod pod-2: Connected, filesystem", "pod pod-3: Connected, filesystem"], ran.Lines.Take(3));
        Assert.Contains(ran.Lines, line => line.StartsWith("Import Win10POS 1.0: Succeeded", StringComparison.Ordinal));
        Assert.Contains(ran.Lines, line => line.StartsWith("Publish Win10POS 1.0: Succeeded", StringComparison.Ordinal));
        Assert.Equal(["pod-2", "pod-3"], ReceiptsOf(ran).Except(["pod-1"]));
    }

    [Fact]
    public async Task The_frontend_over_HTTP_says_that_nobody_answers()
    {
        var token = Path.GetTempFileName();
        try
        {
            var ran = await Finished.SampleAsync("HttpFrontend", "http://127.0.0.1:1", token, "Win10POS", "pod-1", "golden.raw");
            Assert.Equal(3, ran.ExitCode);
            Assert.StartsWith("no answer from http://127.0.0.1:1: ", ran.Errors, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(token);
        }
    }

    private static IEnumerable<string> ReceiptsOf(Finished ran) =>
        ran.Lines.Where(line => line.StartsWith("receipt ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1].TrimEnd(':')).Order();
}
