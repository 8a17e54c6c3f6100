using System.Globalization;
using System.Text;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>
/// The highest generation seen of each version, one small file each, which outlives the copy and the process (rule 4). The same file is
/// the lock that keeps two calls for one version apart, across processes: the kernel lets go of it when a process dies.
/// </summary>
/// <remarks>A generation is written in place, always 20 digits and a line end, well inside one sector. A pod keeps the record on every
/// datastore it can write to and believes the highest, so that losing a datastore loses no generation.</remarks>
internal sealed class Ledger : IDisposable
{
    private const int RecordLength = 21;
    private const int WouldBlock = 11;
    private const int SharingViolation = unchecked((int)0x80070020);

    private readonly List<FileStream> files = [];
    private readonly List<Datastore> datastores = [];

    private Ledger()
    {
    }

    /// <summary>The datastores that can be worked with, in the order of their names.</summary>
    public IReadOnlyList<Datastore> Datastores => datastores;

    /// <summary>Takes the version's lock and compares generations.</summary>
    /// <param name="all">Every datastore has to be usable: needed where "nothing there" is an answer.</param>
    public static ConnectorResult<Ledger> Admit(FaultStage stage, CopyOrder order, IReadOnlyList<Datastore> candidates, PodName pod, bool all)
    {
        var ledger = new Ledger();
        try
        {
            var refused = ledger.Take(stage, order, candidates, pod, all);
            if (refused is null)
            {
                return ledger;
            }

            ledger.Dispose();
            return refused;
        }
        catch
        {
            ledger.Dispose();
            throw;
        }
    }

    public void Dispose() => files.ForEach(file => file.Dispose());

    private ConnectorResult<Ledger>? Take(FaultStage stage, CopyOrder order, IReadOnlyList<Datastore> candidates, PodName pod, bool all)
    {
        ConnectorFault? trouble = null;
        foreach (var datastore in candidates)
        {
            try
            {
                if (datastore.Check(stage) is { } fault)
                {
                    trouble ??= fault;
                    continue;
                }

                var path = Path.Combine(datastore.LedgerRoot, Datastore.FlatName(order.Version));
                files.Add(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, RecordLength));
                datastores.Add(datastore);
            }
            catch (IOException busy) when (busy.HResult is WouldBlock or SharingViolation)
            {
                return new ConnectorResult<Ledger>.InProgress(AskAgain, $"Another call is working on {order.Version}.", IsMoving: false);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                trouble ??= FilesystemFaults.From(stage, pod, refused);
            }
        }

        if (trouble is not null && (all || datastores.Count == 0))
        {
            return trouble;
        }

        var seen = files.Max(Read);
        if (order.Generation < seen)
        {
            return ConnectorFaults.Stale(stage, order, seen);
        }

        for (var i = 0; i < files.Count; i++)
        {
            if (Read(files[i]) < order.Generation)
            {
                Write(files[i], order.Generation);
                SparseFile.FlushFolder(datastores[i].LedgerRoot);
            }
        }

        return null;
    }

    private static Generation Read(FileStream file)
    {
        Span<byte> bytes = stackalloc byte[RecordLength];
        var read = RandomAccess.Read(file.SafeFileHandle, bytes, 0);
        return read == RecordLength && long.TryParse(bytes[..(RecordLength - 1)], NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? new Generation(value)
            : Generation.None;
    }

    private static void Write(FileStream file, Generation generation)
    {
        var text = generation.Value.ToString("D20", CultureInfo.InvariantCulture) + "\n";
        RandomAccess.Write(file.SafeFileHandle, Encoding.ASCII.GetBytes(text), 0);
        RandomAccess.FlushToDisk(file.SafeFileHandle);
    }

    /// <summary>Long enough not to press, short enough that nobody waits for nothing.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(500);
}
