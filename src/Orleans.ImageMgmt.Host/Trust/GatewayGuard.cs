using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Orleans.ImageMgmt.Client;

namespace Orleans.ImageMgmt.Host;

/// <summary>Stands between a caller's TLS and Orleans: lets through only messages of the client that the certificate is bound to. What a front end sends is a silo's
/// word; of that only the client's id is noted.</summary>
internal sealed partial class GatewayGuard(GatewayMessages messages, CallerDirectory callers, GatewayOptions options, TimeProvider time, ILogger logger)
{
    private const int PreamblePrefix = sizeof(int);
    private const int FramePrefix = 2 * sizeof(int); // length of the header, length of the body

    /// <summary>Longest header; the part of a message that is not its arguments.</summary>
    private const int HeaderLimit = 64 << 10;

    public async Task RunAsync(ConnectionContext connection, CertificateName name, ConnectionDelegate next)
    {
        if (name.Kind == CertificateKind.Client && !CallerRoles.All.Contains(name.Role))
        {
            Refused(logger, name.Name, connection.RemoteEndPoint, $"its certificate has the role '{name.Role}', which there is not");
            return;
        }

        var secure = connection.Transport;
        var passed = new Pipe(new PipeOptions(useSynchronizationContext: false));
        var caller = new GatewayCaller(name, $"gateway {(connection.RemoteEndPoint as System.Net.IPEndPoint)?.Address}");
        var pumping = PumpAsync(secure.Input, passed.Writer, caller, connection);
        connection.Transport = new GuardedPipes(passed.Reader, secure.Output);
        try
        {
            await next(connection);
        }
        finally
        {
            await passed.Reader.CompleteAsync();
            secure.Input.CancelPendingRead();
            await pumping;
            connection.Transport = secure;
        }
    }

    private async Task PumpAsync(PipeReader from, PipeWriter to, GatewayCaller caller, ConnectionContext connection)
    {
        string? client = null;
        try
        {
            client = await GreetedAsync(from, to, caller, connection);
            while (client is not null && await (caller.IsTrusted ? PassAsync(from, to) : PassFrameAsync(from, to, client)))
            {
            }
        }
        catch (ForgedException forged)
        {
            Refused(logger, caller.Name.Name, connection.RemoteEndPoint, forged.Message);
            connection.Abort(new ConnectionAbortedException("The caller sent what no client sends."));
        }
        catch (Exception ended) when (ended is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The connection is over.
        }
        finally
        {
            await to.CompleteAsync();
            if (client is not null)
            {
                callers.Release(client);
            }
        }
    }

    /// <summary>The first message has to come in time: a caller that says nothing keeps no place.</summary>
    /// <returns>The client's key, or null when the connection ended.</returns>
    private async Task<string?> GreetedAsync(PipeReader from, PipeWriter to, GatewayCaller caller, ConnectionContext connection)
    {
        using var limit = new CancellationTokenSource(options.GreetingTimeout, time);
        await using (limit.Token.Register(from.CancelPendingRead))
        {
            var client = await PassPreambleAsync(from, to, caller);
            if (client is null && limit.IsCancellationRequested)
            {
                Refused(logger, caller.Name.Name, connection.RemoteEndPoint, $"it said nothing within {options.GreetingTimeout}");
                connection.Abort(new ConnectionAbortedException("The caller said nothing."));
            }

            return client;
        }
    }

    /// <returns>The client's key, or null when the connection ended.</returns>
    private async Task<string?> PassPreambleAsync(PipeReader from, PipeWriter to, GatewayCaller caller)
    {
        if (await ReadAsync(from, PreamblePrefix) is not { } start)
        {
            return null;
        }

        var length = ReadLength(start, 0);
        from.AdvanceTo(start.Start);
        if (length is <= 0 or > GatewayMessages.PreambleLimit)
        {
            throw new ForgedException("it does not begin as a client of Orleans does");
        }

        if (await ReadAsync(from, PreamblePrefix + length) is not { } whole)
        {
            return null;
        }

        var greeting = whole.Slice(0, PreamblePrefix + length);
        var key = KeyOf(greeting.Slice(PreamblePrefix));
        if (!await callers.TryBindAsync(key, caller))
        {
            throw new ForgedException("the client id it calls itself by belongs to another caller");
        }

        Copy(greeting, to);
        from.AdvanceTo(greeting.End);
        return (await to.FlushAsync()).IsCompleted ? Released(key) : key;
    }

    private string? Released(string key)
    {
        callers.Release(key);
        return null;
    }

    private string KeyOf(ReadOnlySequence<byte> payload)
    {
        try
        {
            if (GatewayCallers.TryGetKey(messages.ReadPreamble(payload).NodeIdentity, out var key))
            {
                return key;
            }
        }
        catch (Exception problem) when (problem is not ForgedException)
        {
            throw new ForgedException("it does not begin as a client of Orleans does");
        }

        throw new ForgedException("it does not call itself a client");
    }

    /// <returns>False when the connection ended.</returns>
    private async Task<bool> PassFrameAsync(PipeReader from, PipeWriter to, string client)
    {
        if (await ReadAsync(from, FramePrefix) is not { } start)
        {
            return false;
        }

        var (headerLength, bodyLength) = (ReadLength(start, 0), ReadLength(start, sizeof(int)));
        from.AdvanceTo(start.Start);
        if (headerLength is <= 0 or > HeaderLimit || bodyLength < 0 || bodyLength > options.MessageBytes)
        {
            throw new ForgedException($"a message of {headerLength} and {bodyLength} bytes is too long or none");
        }

        if (await ReadAsync(from, FramePrefix + headerLength) is not { } begun)
        {
            return false;
        }

        var verdict = messages.Judge(begun.Slice(FramePrefix, headerLength), client);
        if (verdict == GatewayVerdict.Forged)
        {
            throw new ForgedException("a message names a sender that is not its client");
        }

        var isPassed = verdict == GatewayVerdict.Pass;
        var head = begun.Slice(0, FramePrefix + headerLength);
        if (isPassed)
        {
            Copy(head, to);
        }

        from.AdvanceTo(head.End);
        return await PassBodyAsync(from, isPassed ? to : null, bodyLength) && !(await to.FlushAsync()).IsCompleted;
    }

    private static async Task<bool> PassAsync(PipeReader from, PipeWriter to)
    {
        if (await ReadAsync(from, 1) is not { } here)
        {
            return false;
        }

        Copy(here, to);
        from.AdvanceTo(here.End);
        return !(await to.FlushAsync()).IsCompleted;
    }

    private static async Task<bool> PassBodyAsync(PipeReader from, PipeWriter? to, long left)
    {
        while (left > 0)
        {
            if (await ReadAsync(from, 1) is not { } here)
            {
                return false;
            }

            var piece = here.Slice(0, Math.Min(left, here.Length));
            if (to is not null)
            {
                Copy(piece, to);
            }

            left -= piece.Length;
            from.AdvanceTo(piece.End);
            if (to is not null && (await to.FlushAsync()).IsCompleted)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>At least so many bytes, not yet taken; null when the connection ended before.</summary>
    private static async Task<ReadOnlySequence<byte>?> ReadAsync(PipeReader from, int least)
    {
        var result = await from.ReadAtLeastAsync(least);
        if (result.IsCanceled || result.Buffer.Length < least)
        {
            from.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            return null;
        }

        return result.Buffer;
    }

    private static int ReadLength(ReadOnlySequence<byte> bytes, int at)
    {
        Span<byte> four = stackalloc byte[sizeof(int)];
        bytes.Slice(at, sizeof(int)).CopyTo(four);
        return BinaryPrimitives.ReadInt32LittleEndian(four);
    }

    private static void Copy(ReadOnlySequence<byte> bytes, PipeWriter to)
    {
        foreach (var piece in bytes)
        {
            to.Write(piece.Span);
        }
    }

    private sealed record GuardedPipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class ForgedException(string message) : Exception(message);

    [LoggerMessage(EventId = 4002, Level = LogLevel.Warning, Message = "The connection of caller {Name} from {From} was ended: {Reason}.")]
    private static partial void Refused(ILogger logger, string name, System.Net.EndPoint? from, string reason);
}
