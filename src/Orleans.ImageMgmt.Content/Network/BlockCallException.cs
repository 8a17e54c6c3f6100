using System.Net;

namespace Orleans.ImageMgmt.Content;

/// <summary>A block server did not give what was asked. As an <see cref="IOException"/> it is the sending side's fault for a transfer.</summary>
public sealed class BlockCallException : IOException
{
    public BlockCallException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }

    public BlockCallException(HttpStatusCode status, string code, string message)
        : base(message)
    {
        (Status, Code) = (status, code);
    }

    /// <summary>What the server said; null when nothing came.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>The server's stable code, or empty.</summary>
    public string Code { get; } = "";

    /// <summary>Whether the same question may be answered soon: nothing came, or the server was busy.</summary>
    public bool IsPassing => Status is null or HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests;
}
