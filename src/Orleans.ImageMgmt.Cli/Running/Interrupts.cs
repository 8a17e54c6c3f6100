using System.Runtime.InteropServices;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Ctrl-C and a polite kill end a command in order; the second one ends the process as it is.</summary>
internal sealed class Interrupts : IDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly List<PosixSignalRegistration> registrations;

    public Interrupts()
    {
        registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, OnSignal))];
    }

    public CancellationToken Token => stop.Token;

    public void Dispose()
    {
        registrations.ForEach(registration => registration.Dispose());
        stop.Dispose();
    }

    /// <summary>What Ctrl-C does.</summary>
    public void Press() => stop.Cancel();

    private void OnSignal(PosixSignalContext context)
    {
        if (!stop.IsCancellationRequested)
        {
            context.Cancel = true;
            Press();
        }
    }
}
