using System.Buffers;
using System.Text;
using Orleans.ImageMgmt.Domain;
using Orleans.Runtime;
using Orleans.Runtime.Messaging;
using Orleans.Serialization;
using Orleans.Serialization.Buffers;
using Orleans.Serialization.Session;

namespace Orleans.ImageMgmt.Host;

/// <summary>Orleans' first message on a connection, read with its own field numbers; the type itself is Orleans' secret (<c>ConnectionPreamble</c>, 10.4).</summary>
[GenerateSerializer, Immutable, Alias(Aliases.GatewayPreamble)]
internal sealed class GatewayPreamble
{
    [Id(0)] public NetworkProtocolVersion Protocol { get; init; }

    [Id(1)] public GrainId NodeIdentity { get; init; }

    [Id(2)] public SiloAddress? SiloAddress { get; init; }

    [Id(3)] public string? ClusterId { get; init; }
}

/// <summary>What to do with a message that a caller sent.</summary>
internal enum GatewayVerdict
{
    Pass,

    /// <summary>Left out: callers have nothing to answer.</summary>
    Drop,

    /// <summary>No client of Orleans sends it: the connection ends.</summary>
    Forged,
}

/// <summary>Reads as much of Orleans' messages as is needed to know who sent them (<c>MessageSerializer</c> and <c>Message</c> of Orleans 10.4).</summary>
/// <remarks>
/// Orleans believes what a message says about its sender. A caller could name a grain there and be taken for the service itself, or answer a question
/// that a silo asked another silo. So the sender has to be the client id that the connection was opened with, and answers do not get through.
/// </remarks>
internal sealed class GatewayMessages(Serializer<GatewayPreamble> preambles, SerializerSessionPool sessions)
{
    /// <summary>Orleans writes shorter ones and refuses longer ones.</summary>
    public const int PreambleLimit = 1_024;

    private const uint HasCacheUpdates = 1 << 7;
    private const int DirectionShift = 16;
    private const uint DirectionMask = 0xF;
    private const uint Request = 1;
    private const uint Answer = 2;
    private const uint OneWay = 3;

    /// <exception cref="Exception">It is none; whatever Orleans throws then.</exception>
    public GatewayPreamble ReadPreamble(ReadOnlySequence<byte> payload) => preambles.Deserialize(payload) ?? throw new InvalidDataException("it is empty");

    /// <param name="header">A whole header, without its length.</param>
    /// <param name="client">The key of the client id that the connection was opened with.</param>
    public GatewayVerdict Judge(ReadOnlySequence<byte> header, string client)
    {
        using var session = sessions.GetSession();
        var reader = Reader.Create(header, session);
        try
        {
            var flags = reader.ReadUInt32();
            _ = reader.ReadInt64(); // the message's number
            if (ReadId(ref reader) is not { } type || ReadId(ref reader) is not { } key || type != "sys.client" || key != client
                || ReadId(ref reader) is null || ReadId(ref reader) is null || (flags & HasCacheUpdates) != 0)
            {
                return GatewayVerdict.Forged;
            }

            return ((flags >> DirectionShift) & DirectionMask) switch
            {
                Request or OneWay => GatewayVerdict.Pass,
                Answer => GatewayVerdict.Drop,
                _ => GatewayVerdict.Forged,
            };
        }
        catch (Exception)
        {
            // Bytes from outside, read by Orleans' own reader, which throws many kinds where they end too early or make no sense. No kind means anything else here.
            return GatewayVerdict.Forged;
        }
    }

    /// <summary>Half of a grain id; null when its hash is not the hash of its text, which would make it another grain of the same name.</summary>
    private static string? ReadId<TInput>(ref Reader<TInput> reader)
    {
        var length = reader.ReadVarUInt32();
        if (length is 0 or > PreambleLimit)
        {
            return null;
        }

        var hash = reader.ReadInt32();
        var text = reader.ReadBytes(length);
        return new IdSpan(text).GetHashCode() == hash ? Encoding.UTF8.GetString(text) : null;
    }
}
