using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
using Xunit;

namespace Orleans.ImageMgmt.Connectors.Tests;

/// <summary>Goal: a call over a line ends as it would have ended on the spot, and a line that breaks, hangs or lies ends it with a fault. Method: both ends in this
/// process on a real socket, and ends that are played by the test.</summary>
public sealed class SiteLineTests : IDisposable
{
    private static readonly VersionId Version = new(new ImageName("win"), new VersionName("1.0"));
    private static readonly CopyOrder Order = new(Version, new Generation(3), 1);

    private readonly FilesystemFixture pod = new();
    private readonly HttpMessageInvoker nobody = new(new SocketsHttpHandler());

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_at_a_site_give_what_they_give_on_the_spot()
    {
        await using var desk = new SiteDesk([pod.Connector], nobody, new BlockCallOptions(), TimeProvider.System);
        using var link = new Link(socket => desk.ServeAsync(socket, CancellationToken.None));
        var site = ConnectorOf(link);
        var bytes = new byte[20 << 20];
        new Random(1).NextBytes(bytes.AsSpan(0, 3 << 20));
        new Random(2).NextBytes(bytes.AsSpan(19 << 20)); // between them zeros, as most of a real disk is
        var source = pod.AddSource("golden.raw", bytes);

        Assert.Equal("main", Assert.Single(Value(await site.ProbeAsync(Token)).Datastores).Name);
        Assert.Equal("golden.raw", Assert.Single(Value(await site.ListSourcesAsync(null, 10, Token)).Entries).Path);
        var heard = new Heard();
        var prepared = Value(await site.PrepareAsync(Order, source, heard, Token));
        Assert.Equal(bytes.Length, prepared.Content.Length);
        Assert.Equal(bytes.Length, heard.Advanced);
        Assert.Equal(prepared.Receipt, Value(await site.FinaliseAsync(Order, prepared.Content, SilentObserver.Instance, Token)));
        Assert.Equal(prepared.Content.ContentDigest, Value(await site.VerifyAsync(Version, SilentObserver.Instance, Token)).ContentDigest);
        Assert.True(Assert.Single(Value(await site.InventoryAsync(null, 10, Token)).Entries).Final);
        var stale = Fault(await site.DeleteAsync(Order with { Generation = new Generation(2) }, DeleteScope.Copy, Token));
        Assert.Equal((FaultStage.Delete, FaultCause.Stale), (stale.Stage, stale.Cause));
        Assert.True(Value(await site.DeleteAsync(Order, DeleteScope.Copy, Token)).CopyRemoved);
        Assert.Equal(FaultCause.SourceMissing, Fault(await site.VerifyAsync(Version, SilentObserver.Instance, Token)).Cause);
        Assert.Equal(FaultCause.Unsupported, Fault(await site.OpenAsync(Version, Token)).Cause);
    }

    [Fact]
    public async Task A_pod_that_is_not_the_sites_and_an_end_without_a_word_are_faults()
    {
        await using var desk = new SiteDesk([pod.Connector], nobody, new BlockCallOptions(), TimeProvider.System);
        using var other = new Link(socket => desk.ServeAsync(socket, CancellationToken.None));
        Assert.Contains("does not work on pod elsewhere", Fault(await ConnectorOf(other, "elsewhere").ProbeAsync(Token)).Detail, StringComparison.Ordinal);

        using var silent = new Link(socket => socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Token));
        Assert.Equal(FaultCause.Unreachable, Fault(await ConnectorOf(silent).ProbeAsync(Token)).Cause);

        using var torn = new Link(socket =>
        {
            socket.Abort();
            return Task.CompletedTask;
        });
        Assert.Equal(FaultCause.Unreachable, Fault(await ConnectorOf(torn).ProbeAsync(Token)).Cause);
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(1 << 20, null)]
    [InlineData(-1, "cannot be understood")]
    public async Task A_read_back_at_a_site_asks_for_its_pace(int bytes, string? trouble)
    {
        var answered = new TaskCompletionSource<SiteMessage.Answer>();
        using var link = new Link(async socket =>
        {
            using var channel = new SiteChannel(socket, TimeProvider.System);
            Assert.IsType<SiteMessage.Call>(await channel.ReceiveAsync(Token));
            await channel.SendAsync(new SiteMessage.Question(7) { Pace = bytes }, Token);
            answered.SetResult(Assert.IsType<SiteMessage.Answer>(await channel.ReceiveAsync(Token)));
            await channel.SendAsync(new SiteMessage.Ended { Fault = ConnectorFaults.Cancelled(FaultStage.Verify, "The call") }, Token);
        });
        Assert.Equal(FaultCause.Cancelled, Fault(await ConnectorOf(link).VerifyAsync(Version, SilentObserver.Instance, Token)).Cause);
        var answer = await answered.Task;
        Assert.Equal(7, answer.Id);
        Assert.Equal(trouble is null, answer.Trouble is null);
        Assert.Contains(trouble ?? "", answer.Trouble ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"say":"ended"}""")]
    [InlineData("""{"say":"ended","value":7}""")]
    [InlineData("""{"say":"ended","askAgainAfterSeconds":1e99,"isMoving":true}""")]
    [InlineData("""{"say":"stop"}""")]
    [InlineData("nonsense")]
    public async Task What_a_site_may_not_say_ends_the_call(string said)
    {
        using var link = new Link(socket => socket.SendAsync(Encoding.UTF8.GetBytes(said), WebSocketMessageType.Text, true, Token));
        Assert.Equal(FaultCause.Unreachable, Fault(await ConnectorOf(link).ProbeAsync(Token)).Cause);
    }

    [Fact]
    public async Task A_call_that_nobody_wants_any_more_is_stopped_at_the_site()
    {
        var told = new TaskCompletionSource<string>();
        using var link = new Link(async socket =>
        {
            using var channel = new SiteChannel(socket, TimeProvider.System);
            Assert.IsType<SiteMessage.Call>(await channel.ReceiveAsync(Token));
            told.SetResult((await channel.ReceiveAsync(Token))!.GetType().Name);
            await channel.SendAsync(new SiteMessage.Ended { Fault = ConnectorFaults.Cancelled(FaultStage.Verify, "The call") }, Token);
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var call = ConnectorOf(link).VerifyAsync(Version, SilentObserver.Instance, stop.Token);
        await stop.CancelAsync();

        Assert.Equal(FaultCause.Cancelled, Fault(await call).Cause);
        Assert.True(!told.Task.IsCompleted || await told.Task == nameof(SiteMessage.Stop));
    }

    public void Dispose()
    {
        nobody.Dispose();
        pod.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private static SiteConnector ConnectorOf(Link link, string? name = null) => new(
        name is null ? FilesystemFixture.Pod : new PodName(name), new SitePlace(new Uri("https://site-1.example:7482"), "site-1"), FilesystemConnector.CapabilitiesOf(canPrepare: true),
        link, link, TimeProvider.System);

    private static T Value<T>(ConnectorResult<T> result) => Assert.IsType<ConnectorResult<T>.Done>(result).Value;

    private static ConnectorFault Fault<T>(ConnectorResult<T> result) => Assert.IsType<ConnectorResult<T>.Failed>(result).Fault;

    private sealed class Heard : ITransferObserver
    {
        public long Advanced { get; private set; }

        public void Planned(int chunksNeeded, int chunksStaged, long bytesNeeded)
        {
        }

        public void ChunkRequested(int chunk)
        {
        }

        public void ChunkStaged(int chunk, int length)
        {
        }

        void ITransferObserver.Advanced(long bytes, long total) => Advanced = bytes;
    }

    /// <summary>Lines over loopback whose other end does what it is told.</summary>
    private sealed class Link(Func<WebSocket, Task> site) : ISiteLink, IBlockLink, IDisposable
    {
        private readonly List<IDisposable> open = [];

        public async Task<SiteLine> ConnectAsync(SitePlace place, CancellationToken cancellationToken)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var near = new TcpClient();
            var accepting = listener.AcceptTcpClientAsync(cancellationToken);
            await near.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancellationToken);
            var far = await accepting;
            open.Add(far);
            var served = WebSocket.CreateFromStream(far.GetStream(), new WebSocketCreationOptions { IsServer = true });
            open.Add(served);
            _ = Task.Run(() => site(served), CancellationToken.None);
            return new SiteLine(WebSocket.CreateFromStream(near.GetStream(), new WebSocketCreationOptions()), Digest.FromBytes(new byte[32]), near);
        }

        public BlockGrant? GrantFor(BlockPlace place, ContentDescription content, Digest receiver) => null;

        public Task<ConnectorResult<IContentReader>> OpenAsync(BlockPlace place, ContentDescription content, CancellationToken cancellationToken) =>
            Task.FromResult<ConnectorResult<IContentReader>>(ConnectorFaults.NoCopy(FaultStage.Open, place.Version, place.Pod));

        public Uri? AddressOf(BlockPlace place, ContentDescription content) => null;

        public void Dispose() => open.ForEach(thing => thing.Dispose());
    }
}
