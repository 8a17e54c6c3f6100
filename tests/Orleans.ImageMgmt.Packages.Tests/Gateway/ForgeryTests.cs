using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Host;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Serialization.Session;
using Xunit;

namespace Orleans.ImageMgmt.Packages.Tests;

/// <summary>Orleans believes what a message says about its sender. The gateway does not.</summary>
public sealed class ForgeryTests
{
    private const string Client = "0123456789abcdef0123456789abcdef";
    private const string Other = "00000000000000000000000000000001";
    private const uint Request = 1u << 16;
    private const uint Answer = 2u << 16;
    private const uint OneWay = 3u << 16;
    private const uint CacheUpdates = 1u << 7;

    private static readonly CertificateName Viewer = new("reader", CertificateKind.Client, "viewer");

    public static TheoryData<string, uint, string, string, bool, string> Messages => new()
    {
        { "its own request", Request, "sys.client", Client, false, nameof(GatewayVerdict.Pass) },
        { "its own message that wants no answer", OneWay, "sys.client", Client, false, nameof(GatewayVerdict.Pass) },
        { "an answer to what nobody asked it", Answer, "sys.client", Client, false, nameof(GatewayVerdict.Drop) },
        { "the name of another client", Request, "sys.client", Other, false, nameof(GatewayVerdict.Forged) },
        { "the name of the silo's own client", Request, "sys.client", "hosted-127.0.0.1:11111@1", false, nameof(GatewayVerdict.Forged) },
        { "the name of a grain", Request, "version", "Win10POS/1.0", false, nameof(GatewayVerdict.Forged) },
        { "the name of a system target", Request, "sys.svc.catalog", "127.0.0.1:11111@1", false, nameof(GatewayVerdict.Forged) },
        { "its own name with another hash", Request, "sys.client", Client, true, nameof(GatewayVerdict.Forged) },
        { "news for the grain directory", Request | CacheUpdates, "sys.client", Client, false, nameof(GatewayVerdict.Forged) },
        { "no direction", 0, "sys.client", Client, false, nameof(GatewayVerdict.Forged) },
    };

    [Theory]
    [MemberData(nameof(Messages))]
    public void A_message_passes_only_when_it_is_a_request_of_the_client_itself(string what, uint flags, string type, string key, bool hasWrongHash, string verdict)
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var header = new ArrayBufferWriter<byte>();
        BinaryPrimitives.WriteUInt32LittleEndian(header.GetSpan(4), flags);
        header.Advance(4);
        header.Write(new byte[8]);
        foreach (var id in new[] { type, key, "pod", "pod-1" })
        {
            Write(header, id, hasWrongHash && id == key);
        }

        var messages = new GatewayMessages(services.GetRequiredService<Serializer<GatewayPreamble>>(), services.GetRequiredService<SerializerSessionPool>());
        Assert.True(verdict == messages.Judge(new(header.WrittenMemory), Client).ToString(), what);
        for (var cut = 0; cut < header.WrittenCount; cut++)
        {
            Assert.Equal(GatewayVerdict.Forged, messages.Judge(new(header.WrittenMemory[..cut]), Client));
        }
    }

    [Fact]
    public void An_id_belongs_to_the_certificate_that_came_with_it_until_its_last_connection_ends()
    {
        var callers = new GatewayCallers();
        var reader = new GatewayCaller(Viewer, "gateway 127.0.0.1");
        var thief = new GatewayCaller(Viewer with { Name = "thief" }, "gateway 127.0.0.1");
        Assert.True(callers.TryBind(Client, reader));
        Assert.True(callers.TryBind(Client, reader));
        Assert.False(callers.TryBind(Client, thief));
        callers.Release(Client);
        Assert.False(callers.TryBind(Client, thief));
        Assert.Equal(reader, callers.Find(Client));
        callers.Release(Client);
        Assert.Null(callers.Find(Client));
        Assert.True(callers.TryBind(Client, thief));
    }

    [Fact]
    public async Task A_caller_whose_messages_name_another_client_is_cut_off_and_others_are_served()
    {
        await using var service = await ServiceUnderTest.StartAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(3), TimeProvider.System);
        await Assert.ThrowsAnyAsync<Exception>(() => service.ConnectAsync("forger", "administrator", client =>
            client.Configure<ClientConnectionOptions>(connections => connections.ConfigureConnection(call => call.Use(next => connection =>
            {
                connection.Transport = Forging.Wrap(connection.Transport);
                return next(connection);
            }))), limit.Token));

        var honest = await service.CallerAsync("honest", "viewer");
        Assert.Null((await honest.GetPodAsync(new PodName("pod-1"))).Pod.Spec);
    }

    private static void Write(ArrayBufferWriter<byte> to, string id, bool isWrong)
    {
        var text = Encoding.UTF8.GetBytes(id);
        to.Write([(byte)((text.Length << 1) | 1)]); // Orleans' variable-length number, for less than 128
        BinaryPrimitives.WriteInt32LittleEndian(to.GetSpan(4), IdSpan.Create(id).GetHashCode() ^ (isWrong ? 1 : 0));
        to.Advance(4);
        to.Write(text);
    }

    /// <summary>A client that is true to Orleans in everything but the name of the sender.</summary>
    private static class Forging
    {
        private static readonly byte[] Marker = "sys.client"u8.ToArray();

        public static IDuplexPipe Wrap(IDuplexPipe plain)
        {
            var forged = new Pipe();
            _ = PumpAsync(forged.Reader, plain.Output);
            return new Pipes(plain.Input, forged.Writer);
        }

        private static async Task PumpAsync(PipeReader from, PipeWriter to)
        {
            var isGreeting = true;
            while (true)
            {
                var read = await from.ReadAsync();
                var bytes = read.Buffer.ToArray();
                from.AdvanceTo(read.Buffer.End);
                if (!isGreeting)
                {
                    Forge(bytes);
                }

                isGreeting = false;
                await to.WriteAsync(bytes);
                if (read.IsCompleted || read.IsCanceled)
                {
                    await to.CompleteAsync();
                    return;
                }
            }
        }

        private static void Forge(byte[] bytes)
        {
            for (var at = bytes.AsSpan().IndexOf(Marker); at >= 0;)
            {
                var key = at + Marker.Length + 1 + sizeof(int); // the length of the key, its hash, the key
                if (key + Other.Length <= bytes.Length)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(key - sizeof(int)), IdSpan.Create(Other).GetHashCode());
                    Encoding.UTF8.GetBytes(Other).CopyTo(bytes, key);
                }

                var next = bytes.AsSpan(at + 1).IndexOf(Marker);
                at = next < 0 ? -1 : at + 1 + next;
            }
        }

        private sealed record Pipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;
    }
}
