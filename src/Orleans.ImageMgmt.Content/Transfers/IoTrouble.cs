namespace Orleans.ImageMgmt.Content;

/// <summary>What kind of trouble a file system reported.</summary>
public enum IoTrouble
{
    /// <summary>No room left, or a quota is used up (ENOSPC, EDQUOT).</summary>
    NoRoom,

    /// <summary>The file system cannot be written (EROFS).</summary>
    ReadOnly,

    /// <summary>Permission refused (EACCES, EPERM).</summary>
    Denied,

    /// <summary>The file or folder is not there any more (ENOENT, ESTALE).</summary>
    Missing,

    /// <summary>The device or the share failed (EIO, ENODEV, ENXIO, ENOTCONN, EREMOTEIO).</summary>
    Device,

    /// <summary>None of the above.</summary>
    Other,
}

/// <summary>Tells kinds of <see cref="IOException"/> apart. On Unix .NET keeps the errno in <see cref="Exception.HResult"/>; our own native calls do the same.</summary>
public static class IoTroubles
{
    /// <param name="trouble">An <see cref="IOException"/>, or the <see cref="UnauthorizedAccessException"/> that .NET throws for EACCES and EPERM.</param>
    public static IoTrouble Classify(Exception trouble) => trouble switch
    {
        UnauthorizedAccessException => IoTrouble.Denied,
        FileNotFoundException or DirectoryNotFoundException or DriveNotFoundException => IoTrouble.Missing,
        IOException { HResult: NativeFile.ENOSPC or NativeFile.EDQUOT } => IoTrouble.NoRoom,
        IOException { HResult: NativeFile.EROFS } => IoTrouble.ReadOnly,
        IOException { HResult: NativeFile.EACCES or NativeFile.EPERM } => IoTrouble.Denied,
        IOException { HResult: NativeFile.ENOENT or NativeFile.ESTALE } => IoTrouble.Missing,
        IOException { HResult: NativeFile.EIO or NativeFile.ENODEV or NativeFile.ENXIO or NativeFile.ENOTCONN or NativeFile.EREMOTEIO } =>
            IoTrouble.Device,
        _ => IoTrouble.Other,
    };
}
