using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests;

/// <summary>Goal: a ticket opens one content for one receiver for a short time, and nothing else opens anything.</summary>
public sealed class TicketTests
{
    private static readonly Digest Other = new("sha256:" + new string('a', 64));

    [Fact]
    public async Task A_good_ticket_opens_its_content()
    {
        await using var host = await BlocksHost.StartAsync();
        using var answer = await host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text, "bytes=100-199");
        Assert.Equal(206, (int)answer.StatusCode);
        Assert.Equal(host.Bytes[100..200], await answer.Content.ReadAsByteArrayAsync(DoorsHost.Stop));
        Assert.Equal($"bytes 100-199/{host.Bytes.Length}", answer.Content.Headers.ContentRange!.ToString());
        await host.AssertServesAllAsync();
    }

    [Fact]
    public async Task Without_a_ticket_that_can_be_read_nothing_opens()
    {
        await using var host = await BlocksHost.StartAsync();
        var good = host.Ticket().Text;
        foreach (var (text, code) in new[]
        {
            (null, "blocks.ticket-missing"),
            ("", "blocks.ticket-missing"),
            ("open sesame", "blocks.ticket-unreadable"),
            ("imgmtb1...", "blocks.ticket-unreadable"),
            (good + ".more", "blocks.ticket-unreadable"),
            (good.Replace("imgmtb1", "imgmtb2", StringComparison.Ordinal), "blocks.ticket-unreadable"),
            ("imgmtb1." + new string('A', TicketText.MaxLength), "blocks.ticket-unreadable"),
        })
        {
            Assert.Equal((401, code), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), text)));
        }
    }

    [Fact]
    public async Task An_altered_ticket_opens_nothing()
    {
        await using var host = await BlocksHost.StartAsync();
        var good = host.Ticket().Text.Split('.');
        var longer = host.Ticket(t => t with { ExpiresAt = t.ExpiresAt + TimeSpan.FromMinutes(20) }).Text.Split('.');
        var signature = good[3][0] == 'A' ? $"B{good[3][1..]}" : $"A{good[3][1..]}";
        foreach (var parts in new string[][] { [good[0], longer[1], good[2], good[3]], [good[0], good[1], good[2], signature], [good[0], good[1], good[2], "AAAA"] })
        {
            Assert.Equal((401, "blocks.ticket-altered"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), string.Join('.', parts))));
        }
    }

    [Fact]
    public async Task Only_a_silo_of_the_same_authority_issues_tickets()
    {
        await using var host = await BlocksHost.StartAsync();
        var foreign = PrivateAuthority.Make(null, DoorsHost.Now);
        using var stranger = foreign.Issue(CertificateName.Silo, PrivateAuthority.LeafLife, DoorsHost.Now);
        var site = host.Issue(new CertificateName("site-2", CertificateKind.Blocks, ""));
        var caller = host.Issue(new CertificateName("frontend", CertificateKind.Client, "administrator"));
        foreach (var signer in new[] { stranger, site, caller })
        {
            Assert.Equal((401, "blocks.ticket-issuer"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket(signer: signer).Text)));
        }
    }

    [Fact]
    public async Task A_ticket_ends_and_clocks_may_differ_a_little()
    {
        await using var host = await BlocksHost.StartAsync();
        var now = host.Time.GetUtcNow();
        string Between(TimeSpan from, TimeSpan to) => host.Ticket(t => t with { IssuedAt = now + from, ExpiresAt = now + to }).Text;
        var minute = TimeSpan.FromMinutes(1);

        Assert.Equal((401, "blocks.ticket-expired"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), Between(-10 * minute, -3 * minute))));
        Assert.Equal((401, "blocks.ticket-early"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), Between(3 * minute, 10 * minute))));
        Assert.Equal((401, "blocks.ticket-life"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), Between(-minute, 61 * minute))));
        foreach (var ticket in new[] { Between(-10 * minute, -1 * minute), Between(minute, 10 * minute) })
        {
            using var answer = await host.AskAsync(host.RouteTo(BlockRoutes.Content), ticket);
            Assert.Equal(206, (int)answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_ticket_that_was_good_is_refused_when_it_has_expired()
    {
        await using var host = await BlocksHost.StartAsync();
        var ticket = host.Ticket().Text;
        using (var answer = await host.AskAsync(host.RouteTo(BlockRoutes.Content), ticket))
        {
            Assert.Equal(206, (int)answer.StatusCode);
        }

        host.Time.Advance(TimeSpan.FromMinutes(13));
        Assert.Equal((401, "blocks.ticket-expired"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), ticket)));
    }

    [Fact]
    public async Task A_ticket_shown_by_another_receiver_is_refused()
    {
        await using var host = await BlocksHost.StartAsync();
        var ticket = host.Ticket().Text;
        using (var answer = await host.AskAsync(host.RouteTo(BlockRoutes.Content), ticket))
        {
            Assert.Equal(206, (int)answer.StatusCode); // the signature is remembered now, and must not help the other one
        }

        var other = new PrivateTrust(host.Issue(CertificateName.Silo), host.ReceiverTrust.Authorities, TimeProvider.System);
        Assert.Equal((403, "blocks.ticket-receiver"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), ticket, client: host.Client(other))));
        Assert.Equal((403, "blocks.ticket-receiver"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), ticket, client: host.Client(null))));
    }

    [Fact]
    public async Task A_ticket_for_another_content_copy_or_use_is_refused()
    {
        await using var host = await BlocksHost.StartAsync();
        Assert.Equal((403, "blocks.ticket-content"), await BlocksHost.RefusalOf(host.AskAsync(BlockRoutes.Of(Other, BlockRoutes.Content), host.Ticket().Text)));
        Assert.Equal((403, "blocks.ticket-content"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket(t => t with { Manifest = Other }).Text)));
        Assert.Equal((403, "blocks.ticket-use"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket(t => t with { Use = TicketUse.Artefact }).Text)));

        // A good ticket whose place holds something else, or nothing.
        foreach (var elsewhere in new Func<BlockTicket, BlockTicket>[]
        {
            t => t with { Pod = new PodName("west") },
            t => t with { Version = new VersionId(new ImageName("win"), new VersionName("2.0")) },
        })
        {
            Assert.Equal((404, "blocks.no-copy"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket(elsewhere).Text)));
        }

        Assert.Equal((404, "blocks.no-copy"), await BlocksHost.RefusalOf(
            host.AskAsync(BlockRoutes.Of(Other, BlockRoutes.Content), host.Ticket(t => t with { Manifest = Other }).Text)));
    }

    [Fact]
    public async Task A_copy_that_was_found_damaged_is_not_served()
    {
        await using var host = await BlocksHost.StartAsync();
        await host.AssertServesAllAsync();
        await File.WriteAllTextAsync(Path.Combine(host.CopyFolder, "damaged"), "", DoorsHost.Stop);
        host.Time.Advance(new BlocksOptions().OpenFor);
        Assert.Equal((404, "blocks.no-copy"), await BlocksHost.RefusalOf(host.AskAsync(host.RouteTo(BlockRoutes.Content), host.Ticket().Text)));
    }
}
