using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Upkeep;

/// <summary>Goal: a service that cannot listen, or cannot go on, says so and ends; it does not hang, and does not end as a program that crashed.</summary>
public sealed class ServeTests
{
    [Fact]
    public async Task A_port_that_another_program_has_is_one_sentence_with_a_next_step()
    {
        await using var server = await DoorsHost.StartAsync();
        await using var second = ImgmtProgram.Start("serve", "--data", Path.Combine(server.Root, "second"), "--set", $"Http:Listen={server.Address.GetLeftPart(UriPartial.Authority)}");

        Assert.Equal(2, await second.ExitAsync());
        Assert.Contains($"Http:Listen cannot be used: Failed to bind to address {server.Address.GetLeftPart(UriPartial.Authority)}", second.Output, StringComparison.Ordinal);
        Assert.Contains("--set Http:Listen=", second.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", second.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_this_machine_does_not_have_is_one_sentence_with_a_next_step()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-upkeep-").FullName;
        await using var program = ImgmtProgram.Start("serve", "--data", Path.Combine(root, "data"), "--set", "Http:Listen=http://192.0.2.1:7480", "--set", "Http:AllowPlainHttpOnNetwork=true");

        Assert.Equal(2, await program.ExitAsync());
        Assert.Contains("Http:Listen cannot be used", program.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled", program.Output, StringComparison.Ordinal);
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public async Task A_service_that_is_ended_from_inside_is_noticed()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-upkeep-").FullName;
        await using (var host = await ServiceHost.StartAsync(new HostSettings(root) { Http = new HttpOptions { Listen = "http://127.0.0.1:0" } }, UpkeepServer.Stop))
        {
            var failed = host.FailedAsync(UpkeepServer.Stop);
            Assert.False(failed.IsCompleted);
            host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
            Assert.Contains("ended by itself", await failed.WaitAsync(UpkeepServer.Limit, TimeProvider.System, UpkeepServer.Stop), StringComparison.Ordinal);
        }

        Directory.Delete(root, recursive: true);
    }
}
