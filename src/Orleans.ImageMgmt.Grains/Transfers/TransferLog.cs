using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Grains;

internal static partial class TransferLog
{
    [LoggerMessage(EventId = 200, Level = LogLevel.Error, Message = "The transfer of {Version} to pod {Pod} broke: this is a defect")]
    internal static partial void Broke(ILogger logger, string pod, string version, Exception bug);

    [LoggerMessage(EventId = 201, Level = LogLevel.Warning, Message = "Pod {Pod} could not take the result of {Version} (try {Attempt})")]
    internal static partial void NotDelivered(ILogger logger, string pod, string version, int attempt, Exception problem);

    [LoggerMessage(EventId = 202, Level = LogLevel.Warning, Message = "{Count} transfers did not let go in time; they are resumed at the next start")]
    internal static partial void StopTimedOut(ILogger logger, int count);

    [LoggerMessage(EventId = 203, Level = LogLevel.Warning, Message = "{Version} on pod {Pod}: {Fault}")]
    internal static partial void Faulted(ILogger logger, string pod, string version, string fault);
}
