namespace Orleans.ImageMgmt.Api;

/// <summary>A ticket for one copy is asked for.</summary>
public sealed record TicketRequest
{
    /// <summary>SHA-256 of the certificate (DER) that the receiver shows to the block server, 64 hexadecimal digits with or without <c>sha256:</c>. Nobody else can use the ticket.</summary>
    public required string Receiver { get; init; }

    /// <summary>Why, for the activity log.</summary>
    public string? Reason { get; init; }
}

/// <summary>The right to read one content from one block server for some minutes.</summary>
public sealed record TicketResource
{
    /// <summary>The block server.</summary>
    public required Uri Server { get; init; }

    /// <summary>SHA-256 of the content's manifest: it stands in the paths of the block server, <c>/blocks/v1/HEX/manifest</c> and others.</summary>
    public required string Manifest { get; init; }

    /// <summary>The certificate that may use it.</summary>
    public required string Receiver { get; init; }

    /// <summary>Goes into the header <c>Authorization: ImgmtTicket TICKET</c>.</summary>
    public required string Ticket { get; init; }

    /// <summary>When it ends; ask for another one before.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }
}
