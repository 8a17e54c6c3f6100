using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Orleans.ImageMgmt.Testing;

/// <summary>A collector for tests: takes OTLP over gRPC and over HTTP, and keeps what came. Numbers of fields: https://github.com/open-telemetry/opentelemetry-proto, version 1.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    /// <summary>Bytes before each message of gRPC: whether it is packed, and its length.</summary>
    private const int GrpcPrefix = 5;

    private readonly WebApplication app;

    private OtlpReceiver(WebApplication app) => this.app = app;

    public ConcurrentQueue<OtlpSpan> Spans { get; } = new();

    public ConcurrentQueue<OtlpMetric> Metrics { get; } = new();

    /// <summary>For OTEL_EXPORTER_OTLP_PROTOCOL=grpc.</summary>
    public Uri Grpc { get; private set; } = null!;

    /// <summary>For http/protobuf.</summary>
    public Uri Http { get; private set; } = null!;

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        var receiver = new OtlpReceiver(builder.Build());
        receiver.app.Run(receiver.TakeAsync);
        await receiver.app.StartAsync();
        var addresses = receiver.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(a => new Uri(a)).ToList();
        (receiver.Grpc, receiver.Http) = (addresses[0], addresses[1]);
        return receiver;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var isGrpc = context.Request.ContentType == "application/grpc";
        Keep(context.Request.Path.Value!, Fields.Of(isGrpc ? body.ToArray()[GrpcPrefix..] : body.ToArray()));
        context.Response.ContentType = isGrpc ? "application/grpc" : "application/x-protobuf";
        if (isGrpc)
        {
            await context.Response.Body.WriteAsync(new byte[GrpcPrefix]); // an empty answer
            context.Response.AppendTrailer("grpc-status", "0");
        }
    }

    private void Keep(string path, Fields request)
    {
        foreach (var one in request.All(1))
        {
            var resource = Attributes(one.All(1).Single(), 1);
            foreach (var scope in one.All(2))
            {
                foreach (var item in scope.All(2))
                {
                    switch (path)
                    {
                        case "/v1/traces" or "/opentelemetry.proto.collector.trace.v1.TraceService/Export":
                            Spans.Enqueue(new OtlpSpan(resource, item.Hex(1), item.Hex(2), item.Hex(4), item.Text(5), Attributes(item, 9), [.. item.All(13).Select(l => l.Hex(1))]));
                            break;
                        case "/v1/metrics" or "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export":
                            Metrics.Enqueue(new OtlpMetric(resource, item.Text(1), item.Text(3), [.. ((int[])[5, 7]).SelectMany(item.All).SelectMany(data => data.All(1)).Select(Point), .. item.All(9).SelectMany(data => data.All(1)).Select(Counted)]));
                            break;
                        default:
                            throw new InvalidOperationException($"Nobody sends to {path}.");
                    }
                }
            }
        }
    }

    private static OtlpPoint Point(Fields point) => new(Attributes(point, 7), point.Number(6) ?? BitConverter.UInt64BitsToDouble((ulong)(point.Number(4) ?? 0)));

    private static OtlpPoint Counted(Fields point) => new(Attributes(point, 9), point.Number(4) ?? 0);

    private static Dictionary<string, string> Attributes(Fields of, int field) => of.All(field).ToDictionary(
        pair => pair.Text(1), pair => pair.All(2).Single() is var value && value.Has(1) ? value.Text(1) : $"{value.Number(3) ?? value.Number(2)}");

    /// <summary>One message, by the numbers of its fields.</summary>
    private sealed class Fields
    {
        private readonly List<(int Number, object Value)> values = [];

        public static Fields Of(byte[] message)
        {
            var made = new Fields();
            using var input = new CodedInputStream(message);
            for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
            {
                made.values.Add((WireFormat.GetTagFieldNumber(tag), WireFormat.GetTagWireType(tag) switch
                {
                    WireFormat.WireType.LengthDelimited => input.ReadBytes().ToByteArray(),
                    WireFormat.WireType.Fixed64 => input.ReadSFixed64(),
                    WireFormat.WireType.Fixed32 => (long)input.ReadFixed32(),
                    WireFormat.WireType.Varint => input.ReadInt64(),
                    var other => throw new InvalidOperationException($"OTLP has no {other}."),
                }));
            }

            return made;
        }

        public bool Has(int number) => values.Any(v => v.Number == number);

        public IEnumerable<Fields> All(int number) => values.Where(v => v.Number == number).Select(v => Of((byte[])v.Value));

        public string Text(int number) => System.Text.Encoding.UTF8.GetString(Bytes(number));

        public string Hex(int number) => Convert.ToHexStringLower(Bytes(number));

        public long? Number(int number) => values.Where(v => v.Number == number).Select(v => (long?)v.Value).SingleOrDefault();

        private byte[] Bytes(int number) => values.Where(v => v.Number == number).Select(v => (byte[])v.Value).SingleOrDefault() ?? [];
    }
}

internal sealed record OtlpSpan(
    IReadOnlyDictionary<string, string> Resource, string Trace, string Id, string Parent, string Name, IReadOnlyDictionary<string, string> Attributes, IReadOnlyList<string> LinkedTraces);

internal sealed record OtlpMetric(IReadOnlyDictionary<string, string> Resource, string Name, string Unit, IReadOnlyList<OtlpPoint> Points);

/// <param name="Attributes">Of the series.</param>
/// <param name="Value">The number, or how many measurements a histogram has.</param>
internal sealed record OtlpPoint(IReadOnlyDictionary<string, string> Attributes, double Value);
