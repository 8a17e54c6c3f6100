using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains.Durable;

internal sealed partial class GroupCommitWriter
{
    [LoggerMessage(EventId = 5101, Level = LogLevel.Warning, Message = "{Path} is locked by another program; attempt {Attempt} of {Most} to write")]
    private static partial void LogBusy(ILogger logger, string path, int attempt, int most);

    [LoggerMessage(EventId = 5102, Level = LogLevel.Error, Message = "Writes fail with {Code}; {Requests} requests were refused and nothing of them is stored")]
    private static partial void LogFailed(ILogger logger, Exception error, string code, int requests);

    [LoggerMessage(EventId = 5103, Level = LogLevel.Information, Message = "{Path} can be written again after {Code}")]
    private static partial void LogRecovered(ILogger logger, string path, string code);

    [LoggerMessage(EventId = 5104, Level = LogLevel.Warning, Message = "{Path} was left with its write-ahead log, which is read at the next start")]
    private static partial void LogCheckpointFailed(ILogger logger, Exception error, string path);

    [LoggerMessage(EventId = 5105, Level = LogLevel.Error, Message = "{Path} did not finish its last commit within {Limit}; it is left as it is")]
    private static partial void LogNotClosed(ILogger logger, string path, TimeSpan limit);
}
