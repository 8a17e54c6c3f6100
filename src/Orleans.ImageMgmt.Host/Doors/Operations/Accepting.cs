using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Wire = Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Host;

/// <summary>
/// Begins an operation once, however often the request comes. A key that the caller chose is claimed durably for this very request first; a
/// request that was refused gives it free again; one that was cut between the two goes on when it comes again.
/// </summary>
internal sealed class Accepting(IGrainFactory grains, OperationReader operations, OpenOperations open)
{
    /// <param name="http">The request.</param>
    /// <param name="operation">The operation's id, and whether the caller chose it.</param>
    /// <param name="body">The body as it was understood, for the comparison with a repeated one.</param>
    /// <param name="begin">Begins it.</param>
    public async Task<IResult> BeginAsync(HttpContext http, (OperationId Id, bool IsChosen) operation, object body, Func<OperationId, Task<Reply<OperationId>>> begin)
    {
        var print = Fingerprint(http, body);
        var isNew = true;
        if (operation.IsChosen)
        {
            isNew = (await grains.GetRequestKey(operation.Id).ClaimAsync(print)).OrThrow();
            if (!isNew && await operations.FindAsync(operation.Id, http.RequestAborted) is { } known)
            {
                return Accepted(http, known);
            }
        }

        var begun = await BeginAsync(operation.Id, begin, http.RequestAborted);
        if (!begun.IsDone)
        {
            if (operation.IsChosen && isNew)
            {
                await grains.GetRequestKey(operation.Id).ReleaseAsync(print);
            }

            throw RequestProblem.Of(begun.Refusal);
        }

        return Accepted(http, await operations.GetAsync(begun.Value, http.RequestAborted));
    }

    private async Task<Reply<OperationId>> BeginAsync(OperationId operation, Func<OperationId, Task<Reply<OperationId>>> begin, CancellationToken stop)
    {
        if (await open.RefusalAsync(stop) is { } full)
        {
            return Reply.Refused<OperationId>(full);
        }

        var begun = await begin(operation);
        if (!begun.IsDone)
        {
            open.NotBegun();
        }

        return begun;
    }

    private static IResult Accepted(HttpContext http, Wire.OperationResource operation)
    {
        http.Response.Headers.Location = Wire.Routes.Fill(Wire.Routes.Operation, operation.Id);
        return Replies.One(http, operation, operation.Etag, StatusCodes.Status202Accepted);
    }

    private static string Fingerprint(HttpContext http, object body)
    {
        var text = JsonSerializer.Serialize(new { http.Request.Method, Path = http.Request.Path.Value, Body = JsonSerializer.SerializeToElement(body, body.GetType(), Wire.ImageMgmtJson.Options) });
        return Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)));
    }
}
