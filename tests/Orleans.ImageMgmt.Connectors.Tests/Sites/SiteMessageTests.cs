using System.Text;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>Goal: what a service and a site of different age say to each other stays the same. Method: every kind of message against its text.</summary>
public sealed class SiteMessageTests
{
    private static readonly PodName Pod = new("site-1");
    private static readonly VersionId Version = new(new ImageName("win"), new VersionName("1.0"));
    private static readonly CopyOrder Order = new(Version, new Generation(7), 2);

    private static readonly (string Text, SiteMessage Message)[] Known =
    [
        ("""{"say":"call","verb":"probe","pod":"site-1","limit":0,"scope":"staged"}""", new SiteMessage.Call(SiteVerb.Probe, Pod)),
        ("""{"say":"call","verb":"delete","pod":"site-1","order":{"version":"win/1.0","generation":7,"attempt":2},"limit":0,"scope":"copy"}""",
            new SiteMessage.Call(SiteVerb.Delete, Pod) { Order = Order, Scope = DeleteScope.Copy }),
        ("""{"say":"call","verb":"receive","pod":"site-1","manifest":"AQID","limit":0,"scope":"staged","origin":"head","pieceBytes":1048576}""",
            new SiteMessage.Call(SiteVerb.Receive, Pod) { Manifest = [1, 2, 3], Origin = new PodName("head"), PieceBytes = 1 << 20 }),
        ("""{"say":"answer","id":3,"orders":[{"piece":4,"source":"site-2","isOrigin":false}],"bytes":0}""", new SiteMessage.Answer(3) { Orders = [new SiteOrder(4, new PodName("site-2"), false)] }),
        ("""{"say":"answer","id":4,"bytes":0,"trouble":"no"}""", new SiteMessage.Answer(4) { Trouble = "no" }),
        ("""{"say":"stop"}""", new SiteMessage.Stop()),
        ("""{"say":"planned","needed":3,"before":1,"bytes":99}""", new SiteMessage.Planned(3, 1, 99)),
        ("""{"say":"requested","chunk":5}""", new SiteMessage.Requested(5)),
        ("""{"say":"staged","chunk":5,"length":1048576}""", new SiteMessage.Staged(5, 1 << 20)),
        ("""{"say":"travelled","bytes":4096}""", new SiteMessage.Travelled(4096)),
        ("""{"say":"advanced","bytes":5,"total":9}""", new SiteMessage.Advanced(5, 9)),
        ("""{"say":"from-peer","bytes":5}""", new SiteMessage.FromPeer(5)),
        ("""{"say":"waits"}""", new SiteMessage.Waits()),
        ("""{"say":"question","id":8,"tell":{"pieces":4,"held":"Dw==","wanted":1,"arrived":{"2":0.5},"lieChunk":0,"isLeaving":false}}""",
            new SiteMessage.Question(8) { Tell = new SiteReport(4, [15], 1) { Arrived = new Dictionary<int, double> { [2] = 0.5 } } }),
        ("""{"say":"question","id":9,"ticket":"site-2"}""", new SiteMessage.Question(9) { Ticket = new PodName("site-2") }),
        ("""{"say":"question","id":10,"throttle":4096}""", new SiteMessage.Question(10) { Throttle = 4096 }),
        ("""{"say":"question","id":11,"throttle":4096,"from":"site-2"}""", new SiteMessage.Question(11) { Throttle = 4096, From = new PodName("site-2") }),
        ("""{"say":"ended","fault":{"stage":"receive","cause":"noRoom","detail":"full","nextStep":"free some"},"isMoving":false}""",
            new SiteMessage.Ended { Fault = new ConnectorFault(FaultStage.Receive, FaultCause.NoRoom, "full", "free some") }),
        ("""{"say":"ended","value":{"copyRemoved":true,"stagedRemoved":false},"isMoving":false}""", new SiteMessage.Ended { Value = SiteMessage.ToElement(new Removed(true, false)) }),
        ("""{"say":"ended","askAgainAfterSeconds":0.5,"hint":"busy","isMoving":true}""", new SiteMessage.Ended { AskAgainAfterSeconds = 0.5, Hint = "busy", IsMoving = true }),
    ];

    [Fact]
    public void Every_message_has_the_text_that_it_always_had()
    {
        foreach (var (text, message) in Known)
        {
            Assert.Equal(text, Encoding.UTF8.GetString(message.Encode()));
            Assert.Equal(text, Encoding.UTF8.GetString(SiteMessage.Decode(Encoding.UTF8.GetBytes(text)).Encode()));
        }

        Assert.Equal(Known.Select(known => known.Message.GetType()).ToHashSet(), [.. typeof(SiteMessage).GetNestedTypes().Where(type => type.IsSubclassOf(typeof(SiteMessage)))]);
    }

    [Fact]
    public void What_a_newer_side_adds_is_skipped_and_what_is_no_message_is_a_broken_line()
    {
        var newer = SiteMessage.Decode("""{"say":"staged","chunk":5,"length":7,"colour":"red"}"""u8);
        Assert.Equal(new SiteMessage.Staged(5, 7), newer);
        foreach (var text in (string[])["", "null", "[]", "{", """{"say":"sing"}""", """{"chunk":5}""", """{"say":"requested","chunk":"five"}"""])
        {
            Assert.Throws<IOException>(() => SiteMessage.Decode(Encoding.UTF8.GetBytes(text)));
        }
    }

    [Fact]
    public void The_value_of_a_call_comes_back_as_it_was()
    {
        var receipt = new Receipt(Version, Pod, "main", "x/disk.raw", Digest.FromBytes(new byte[32]), Digest.FromBytes(new byte[32]), 9, 8, 7, DateTimeOffset.UnixEpoch, "filesystem/1", new Generation(3), 2);
        Assert.Equal(receipt, SiteMessage.FromElement<Receipt>(SiteMessage.ToElement(receipt)));
        var probe = SiteMessage.FromElement<PodProbe>(SiteMessage.ToElement(new PodProbe([new DatastoreRoom("main", 5, null)])));
        Assert.Equal(new DatastoreRoom("main", 5, null), Assert.Single(probe.Datastores));
        Assert.Throws<IOException>(() => SiteMessage.FromElement<Receipt>(SiteMessage.ToElement("no receipt")));
    }
}
