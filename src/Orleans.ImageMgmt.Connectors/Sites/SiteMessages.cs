using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>What a site is asked to do: one call of the pod contract.</summary>
internal enum SiteVerb
{
    Probe,
    TryProbe,
    ListSources,
    Prepare,
    Receive,
    Plan,
    Finalise,
    Verify,
    Delete,
    Inventory,
}

/// <summary>
/// What the service and a site say to each other on one line, one JSON text a message. The service says <see cref="Call"/> once, answers questions, and may say
/// <see cref="Stop"/>; the site tells how it goes, asks, and ends with <see cref="Ended"/>. A line that breaks ends the call at the site too: what is staged stays.
/// </summary>
/// <remarks>Members are added and never renamed; what a side does not know it skips. A new kind of message is a new version of the route.</remarks>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "say")]
[JsonDerivedType(typeof(Call), "call")]
[JsonDerivedType(typeof(Answer), "answer")]
[JsonDerivedType(typeof(Stop), "stop")]
[JsonDerivedType(typeof(Planned), "planned")]
[JsonDerivedType(typeof(Requested), "requested")]
[JsonDerivedType(typeof(Staged), "staged")]
[JsonDerivedType(typeof(Travelled), "travelled")]
[JsonDerivedType(typeof(Advanced), "advanced")]
[JsonDerivedType(typeof(FromPeer), "from-peer")]
[JsonDerivedType(typeof(Waits), "waits")]
[JsonDerivedType(typeof(Question), "question")]
[JsonDerivedType(typeof(Ended), "ended")]
internal abstract record SiteMessage
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    public byte[] Encode() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <exception cref="IOException">It is no message of ours.</exception>
    public static SiteMessage Decode(ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonSerializer.Deserialize<SiteMessage>(text, Json) ?? throw new IOException("An empty message came.");
        }
        catch (Exception wrong) when (wrong is JsonException or NotSupportedException)
        {
            throw new IOException($"A message came that cannot be read: {wrong.Message}", wrong);
        }
    }

    public static JsonElement ToElement<T>(T value) => JsonSerializer.SerializeToElement(value, Json);

    /// <exception cref="IOException">The value is another one than the call returns.</exception>
    public static T FromElement<T>(JsonElement value)
    {
        try
        {
            return value.Deserialize<T>(Json) ?? throw new IOException("The call ended without its value.");
        }
        catch (JsonException wrong)
        {
            throw new IOException($"The value of the call cannot be read: {wrong.Message}", wrong);
        }
    }

    /// <param name="Verb">What to do.</param>
    /// <param name="Pod">With which pod of the site.</param>
    public sealed record Call(SiteVerb Verb, PodName Pod) : SiteMessage
    {
        public CopyOrder? Order { get; init; }

        public VersionId? Version { get; init; }

        public ContentDescription? Content { get; init; }

        /// <summary>The encoded manifest, so that the source pod's link does not carry it once for each receiver.</summary>
        public byte[]? Manifest { get; init; }

        public SourceRef? Source { get; init; }

        public string? Cursor { get; init; }

        public int Limit { get; init; }

        public DeleteScope Scope { get; init; }

        /// <summary>The pod that the bytes come from.</summary>
        public PodName? Origin { get; init; }

        /// <summary>Bytes of the smallest piece that pods give each other; null: everything comes from <see cref="Origin"/>.</summary>
        public long? PieceBytes { get; init; }
    }

    /// <summary>Work for this call is to end soon.</summary>
    public sealed record Stop : SiteMessage;

    /// <param name="Needed">Chunks that have to come.</param>
    /// <param name="Before">Chunks that were there.</param>
    /// <param name="Bytes">Bytes that have to come.</param>
    public sealed record Planned(int Needed, int Before, long Bytes) : SiteMessage;

    public sealed record Requested(int Chunk) : SiteMessage;

    public sealed record Staged(int Chunk, int Length) : SiteMessage;

    public sealed record Travelled(int Bytes) : SiteMessage;

    public sealed record Advanced(long Bytes, long Total) : SiteMessage;

    public sealed record FromPeer(int Bytes) : SiteMessage;

    /// <summary>Nothing moves, and that is well: it waits for its turn.</summary>
    public sealed record Waits : SiteMessage;

    /// <summary>Something that only the service knows; exactly one of the others is set.</summary>
    /// <param name="Id">The answer names it.</param>
    public sealed record Question(int Id) : SiteMessage
    {
        /// <summary>What the tracker of the fan-out is told, and asked.</summary>
        public SiteReport? Tell { get; init; }

        /// <summary>A ticket for the content of this call at this pod.</summary>
        public PodName? Ticket { get; init; }

        /// <summary>How many of these bytes may travel now.</summary>
        public int? Throttle { get; init; }

        /// <summary>With <see cref="Throttle"/>: the pod that they come from, where it is not the origin.</summary>
        public PodName? From { get; init; }

        /// <summary>When these bytes of a read-back may be read.</summary>
        public int? Pace { get; init; }
    }

    /// <param name="Id">Which question.</param>
    public sealed record Answer(int Id) : SiteMessage
    {
        public IReadOnlyList<SiteOrder>? Orders { get; init; }

        public Uri? Server { get; init; }

        public string? Ticket { get; init; }

        public DateTimeOffset? ExpiresAt { get; init; }

        public int Bytes { get; init; }

        /// <summary>Why there is no answer.</summary>
        public string? Trouble { get; init; }
    }

    /// <summary>How the call ended: exactly one of value, fault and delay is set.</summary>
    public sealed record Ended : SiteMessage
    {
        public JsonElement? Value { get; init; }

        public ConnectorFault? Fault { get; init; }

        public double? AskAgainAfterSeconds { get; init; }

        public string? Hint { get; init; }

        public bool IsMoving { get; init; }
    }
}

/// <summary>What a receiver at a site tells the tracker.</summary>
/// <param name="Pieces">In how many pieces it cuts the content.</param>
/// <param name="Held">A bit for each that is staged and verified.</param>
/// <param name="Wanted">Pieces that it wants to be told of.</param>
internal sealed record SiteReport(int Pieces, byte[] Held, int Wanted)
{
    /// <summary>Pieces that arrived, with the seconds each took.</summary>
    public IReadOnlyDictionary<int, double>? Arrived { get; init; }

    public IReadOnlyList<int>? Failed { get; init; }

    /// <summary>Pieces that take long, with the seconds gone by.</summary>
    public IReadOnlyDictionary<int, double>? Late { get; init; }

    /// <summary>Who sent wrong bytes, and the chunk.</summary>
    public PodName? Liar { get; init; }

    public int LieChunk { get; init; }

    public bool IsLeaving { get; init; }

    /// <summary>A bit for each piece that it fills in from copies of its own, or that has come and is yet to be read back; not to be named to it.</summary>
    public byte[]? Filling { get; init; }
}

/// <summary>Ask this piece from this pod.</summary>
internal sealed record SiteOrder(int Piece, PodName Source, bool IsOrigin);
