using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Client;

/// <summary>Keeps which request an operation's id was used for, so that the same id with another request is refused.</summary>
[Alias(Aliases.RequestKeyGrain)]
public interface IRequestKeyGrain : IGrainWithStringKey
{
    /// <summary>Durably claims the id for a request; refused when another request has it.</summary>
    /// <param name="fingerprint">Of the whole request: method, path and body.</param>
    /// <returns>Whether the claim is new.</returns>
    [Alias("Claim")]
    Task<Reply<bool>> ClaimAsync(string fingerprint);

    /// <summary>The request was refused and changed nothing: the id is free for a corrected one.</summary>
    [Alias("Release")]
    Task ReleaseAsync(string fingerprint);
}
