using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Microsoft.Extensions.Options;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>By default nothing answers without a credential, the silo's own port included.</summary>
public sealed class SiloPortTests
{
    [Fact]
    public async Task A_connection_without_TLS_to_the_port_of_a_lone_silo_gets_nothing_and_is_closed()
    {
        var folder = Directory.CreateTempSubdirectory("imgmt-port-");
        try
        {
            await using var host = await ServiceHost.StartAsync(new HostSettings(Path.Combine(folder.FullName, "data")), TestContext.Current.CancellationToken);
            var endpoints = host.Services.GetRequiredService<IOptions<EndpointOptions>>().Value;
            Assert.Equal(0, endpoints.GatewayPort);
            var listening = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Where(l => l.Port == endpoints.SiloPort).ToList();
            Assert.All(listening, l => Assert.True(IPAddress.IsLoopback(l.Address)));
            Assert.NotEmpty(listening);

            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, endpoints.SiloPort, TestContext.Current.CancellationToken);
            await client.GetStream().WriteAsync("\x20\0\0\0nobody here speaks plain Orleans"u8.ToArray(), TestContext.Current.CancellationToken);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10), TimeProvider.System);
            Assert.Equal(0, await ReadAsync(client.GetStream(), limit.Token));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<int> ReadAsync(NetworkStream stream, CancellationToken limit)
    {
        try
        {
            return await stream.ReadAsync(new byte[64], limit);
        }
        catch (IOException)
        {
            return 0; // reset: closed all the same
        }
    }
}
