using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Host;
using Xunit;
using Digest = Orleans.ImageMgmt.Domain.Digest;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>Goal: a program at a site gets from the service, over HTTP, the right to read one copy, and nothing more. Method: the real service with its block server;
/// the ticket is used with the certificate that it names, and with others.</summary>
public sealed class TicketDoorTests
{
    [Fact]
    public async Task A_ticket_opens_one_copy_for_one_certificate_and_the_activity_log_knows_of_it()
    {
        await using var host = await PodsHost.StartAsync("Blocks:Listen=127.0.0.1:0", "Blocks:PublicUrl=https://127.0.0.1:7482");
        await host.ImportAsync();
        var (site, other) = (Issue(host, "site-1"), Issue(host, "site-2"));

        var ticket = await host.Client.IssueTicketAsync("win", "1.0", "source", new TicketRequest { Receiver = DigestOf(site), Reason = "restore" }, host.Stop);

        Assert.Equal(new Uri("https://127.0.0.1:7482"), ticket.Server);
        Assert.InRange(ticket.ExpiresAt - DoorsHost.Now, TimeSpan.FromMinutes(8), TimeSpan.FromMinutes(10));
        var bytes = await ReadAsync(host, ticket, site);
        Assert.Equal(SHA256.HashData(await File.ReadAllBytesAsync(host.FileOf("source", "win", "1.0"), host.Stop)), SHA256.HashData(bytes));
        var refused = await Assert.ThrowsAsync<BlockCallException>(() => ReadAsync(host, ticket, other));
        Assert.Equal((HttpStatusCode.Forbidden, "blocks.ticket-receiver"), (refused.Status, refused.Code));
        var noted = Assert.Single((await host.Client.ListActivityAsync(cancellationToken: host.Stop)).Items, entry => entry.Action == "copy.ticket");
        Assert.Contains(DigestOf(site), noted.What, StringComparison.Ordinal);
        Assert.Equal("restore", noted.Reason);
    }

    [Fact]
    public async Task What_cannot_be_read_gets_no_ticket_and_a_code_that_says_why()
    {
        await using var host = await PodsHost.StartAsync();
        await host.ImportAsync();
        var receiver = new string('a', 64);

        Assert.Equal("copy.not-served", await CodeAsync(host, "source", receiver));
        Assert.Equal("copy.unknown", await CodeAsync(host, "nobody", receiver));
        Assert.Equal("request.invalid", await CodeAsync(host, "source", "the certificate"));
    }

    private static async Task<string> CodeAsync(PodsHost host, string pod, string receiver) =>
        (await Assert.ThrowsAsync<ProblemException>(() => host.Client.IssueTicketAsync("win", "1.0", pod, new TicketRequest { Receiver = receiver }, host.Stop))).Problem.Code;

    /// <summary>Reads the whole content as a receiver with this certificate does.</summary>
    private static async Task<byte[]> ReadAsync(PodsHost host, TicketResource ticket, PrivateTrust shown)
    {
        Assert.True(Digest.TryCreate(ticket.Manifest, out var manifest));
        using var http = new HttpMessageInvoker(BlockLink.MakeHandler(() => shown));
        var server = host.Services.GetRequiredService<BlockServer>().Address; // any free port in this test
        var source = new BlockSource(server, manifest, _ => ValueTask.FromResult(new IssuedTicket(ticket.Ticket, ticket.ExpiresAt)));
        await using var reader = await HttpContentReader.OpenAsync(source, http, new BlockCallOptions(), TimeProvider.System, host.Stop);
        var bytes = new byte[reader.Manifest.Length];
        await reader.ReadAsync(0, bytes, host.Stop);
        return bytes;
    }

    private static string DigestOf(PrivateTrust trust) => Convert.ToHexStringLower(SHA256.HashData(trust.Own.RawData));

    private static PrivateTrust Issue(PodsHost host, string name)
    {
        var keys = Path.Combine(host.Root, name);
        SiloTrust.Open(Path.Combine(host.Root, "data"), new TrustOptions(), TimeProvider.System).IssueBlocks(name, TimeSpan.FromDays(1), keys);
        return PrivateTrust.Read(Path.Combine(keys, "ca.crt"), Path.Combine(keys, "blocks.crt"), Path.Combine(keys, "blocks.key"), TimeProvider.System);
    }
}
