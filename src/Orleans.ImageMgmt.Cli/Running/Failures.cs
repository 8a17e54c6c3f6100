using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Turns whatever ended a command into one sentence, a hint and an exit code.</summary>
internal static class Failures
{
    /// <summary>Where an error that nobody foresaw is reported.</summary>
    public const string ReportTo = "This is a fault of imgctl. Please report it to whoever gave you imgctl, with the command and what --verbose shows.";

    public static CliProblem ToProblem(Exception exception, Uri? server) => ToProblem(exception, server?.GetLeftPart(UriPartial.Authority) ?? "the given address");

    private static CliProblem ToProblem(Exception exception, string server) => exception switch
    {
        CliProblem problem => problem,
        ProblemException refused => Refused(refused, server),
        HttpRequestException { InnerException: AuthenticationException } tls => new CliProblem(ExitCodes.NotReachable,
            $"The server at {server} shows a certificate that is not trusted here.", "Name its authority with --ca-file, or with: imgctl context set NAME --ca-file FILE", "tls", tls),
        HttpRequestException network => new CliProblem(ExitCodes.NotReachable, $"The server at {server} does not answer: {Reason(network)}.",
            "Check that it runs and that the address is right; imgctl context list shows the servers that you know.", inner: network),
        TimeoutException late => new CliProblem(ExitCodes.NotReachable, $"The server at {server} does not answer: {Lower(late.Message)}.",
            "Check that it runs; --timeout SECONDS waits longer for an answer.", inner: late),
        OperationCanceledException => new CliProblem(ExitCodes.Interrupted, "Interrupted."),
        FileNotFoundException or DirectoryNotFoundException => new CliProblem(ExitCodes.NotFound, exception.Message, inner: exception),
        UnauthorizedAccessException => new CliProblem(ExitCodes.Usage, exception.Message, inner: exception),
        IOException => new CliProblem(ExitCodes.Failed, exception.Message, inner: exception),
        _ => new CliProblem(ExitCodes.Failed, $"Something went wrong that nobody foresaw: {exception.Message}", ReportTo, exception.GetType().Name, exception),
    };

    private static CliProblem Refused(ProblemException refused, string server)
    {
        var (exit, hint) = refused switch
        {
            { Code: "client.unexpected-answer" } => (ExitCodes.NotReachable, refused.Hint),
            { StatusCode: HttpStatusCode.Unauthorized } => (ExitCodes.NotAllowed, refused.Hint ?? "Give a token with --token-file, IMGCTL_TOKEN or a context."),
            { StatusCode: HttpStatusCode.Forbidden } => (ExitCodes.NotAllowed, refused.Hint),
            { StatusCode: HttpStatusCode.NotFound or HttpStatusCode.Gone } => (ExitCodes.NotFound, refused.Hint),
            { StatusCode: HttpStatusCode.Conflict or HttpStatusCode.PreconditionFailed or HttpStatusCode.Locked or HttpStatusCode.PreconditionRequired or HttpStatusCode.UnprocessableEntity }
                when refused.Errors.Count == 0 => (ExitCodes.Refused, refused.Hint),
            { StatusCode: HttpStatusCode.ServiceUnavailable or HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout or HttpStatusCode.TooManyRequests } => (ExitCodes.NotReachable, refused.Hint),
            { StatusCode: >= HttpStatusCode.InternalServerError } => (ExitCodes.Failed, refused.Hint),
            _ => (ExitCodes.Usage, refused.Hint),
        };
        var sentence = refused.Code == "client.unexpected-answer" ? $"{server} did not answer like an ImageMgmt server: {refused.Message}" : refused.Message;
        return new CliProblem(exit, sentence, hint, refused.Code, refused)
        {
            Faults = refused.Errors is [var only] && sentence.Contains(only.Message, StringComparison.Ordinal) ? [] : [.. refused.Errors.Select(fault => $"{fault.Field}: {fault.Message} ({fault.Code})")],
            TraceId = refused.Problem.TraceId,
        };
    }

    private static string Reason(HttpRequestException network) => network switch
    {
        { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => "connection refused",
        { InnerException: SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain } } => "the name is unknown",
        { InnerException: SocketException socket } => Lower(socket.Message),
        { HttpRequestError: HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse } => "it closed the connection or speaks something else than HTTP",
        { InnerException: TaskCanceledException or TimeoutException } => "no connection in time",
        _ => Lower(network.Message),
    };

    private static string Lower(string sentence) => sentence.Length == 0 ? sentence : char.ToLowerInvariant(sentence[0]) + sentence[1..].TrimEnd('.');
}
