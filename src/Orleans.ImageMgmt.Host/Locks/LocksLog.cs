using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Host;

internal static partial class LocksLog
{
    [LoggerMessage(EventId = 7001, Level = LogLevel.Information, Message = "Serving HTTP at {Url}")]
    internal static partial void Serving(ILogger logger, string url);

    [LoggerMessage(EventId = 7002, Level = LogLevel.Information, Message = "First start: the administrator's token is in {File}")]
    internal static partial void AdministratorMade(ILogger logger, string file);


    [LoggerMessage(EventId = 7004, Level = LogLevel.Information, Message = "The certificate was read from {File}; it is good until {NotAfter:o}")]
    internal static partial void CertificateRead(ILogger logger, string file, DateTime notAfter);

    [LoggerMessage(EventId = 7005, Level = LogLevel.Warning, Message = "The certificate {File} cannot be used; the one before stays")]
    internal static partial void CertificateUnusable(ILogger logger, string file, Exception problem);

    [LoggerMessage(EventId = 7006, Level = LogLevel.Warning, Message = "The last use of {Count} tokens was not written; it is tried again")]
    internal static partial void UseNotWritten(ILogger logger, int count, Exception problem);

    [LoggerMessage(EventId = 7007, Level = LogLevel.Warning, Message = "The tokens cannot be read: nobody comes in")]
    internal static partial void TokensUnreadable(ILogger logger, Exception problem);

    [LoggerMessage(EventId = 7008, Level = LogLevel.Information, Message = "{Address} was refused: {Code}")]
    internal static partial void Refused(ILogger logger, string address, string code);

    [LoggerMessage(EventId = 7009, Level = LogLevel.Error, Message = "{Method} {Path} failed (trace {Trace})")]
    internal static partial void Fault(ILogger logger, string method, string path, string trace, Exception problem);

    [LoggerMessage(EventId = 7010, Level = LogLevel.Debug, Message = "The dashboard could not answer {Path}")]
    internal static partial void DashboardFault(ILogger logger, string path, Exception problem);
}
