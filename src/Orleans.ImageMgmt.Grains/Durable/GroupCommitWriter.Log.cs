using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains.Durable;

internal sealed partial class GroupCommitWriter
{
    [LoggerMessage(EventId = 5104, Level = LogLevel.Warning, Message = "{Path} was left with its write-ahead log, which is read at the next start")]
    private static partial void LogCheckpointFailed(ILogger logger, Exception error, string path);
}
