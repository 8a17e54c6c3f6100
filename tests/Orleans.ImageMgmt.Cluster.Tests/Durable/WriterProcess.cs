using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Runtime;

namespace Orleans.ImageMgmt.Cluster.Tests.Durable;

/// <summary>
/// The test program run a second time as a process that only writes, so that it can be killed. A module initialiser runs before the test
/// runner's Main; it must stay on this one thread, since other threads wait at the module's door until it has ended.
/// </summary>
internal static class WriterProcess
{
    private const string Variable = "IMAGEMGMT_TEST_WRITER";
    private const int Streams = 32;

    public static Process Start(string folder)
    {
        // A host is either the test program itself or `dotnet` followed by its assembly.
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(WriterProcess).Assembly.Location);
        }

        start.Environment[Variable] = folder;
        return Process.Start(start)!;
    }

    [ModuleInitializer]
    internal static void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder)
        {
            Environment.Exit(Run(folder));
        }
    }

    /// <summary>Keeps 32 rows in motion and prints "key count" for each write that the store has acknowledged, until killed.</summary>
    private static int Run(string folder)
    {
        EmbeddedStore store;
        try
        {
            store = EmbeddedStore.Open(folder, new DurableOptions(), NullLogger.Instance, TimeProvider.System);
        }
        catch (StoreException refusal)
        {
            Console.Out.WriteLine($"refused {refusal.Code}");
            return 1;
        }

        var boxes = new Box[Streams];
        var etags = new string?[Streams];
        for (var n = 0; n < Streams; n++)
        {
            boxes[n] = Read(store, n, out etags[n]) ?? new Box { Key = Key(n) };
        }

        while (true)
        {
            var writes = new Task<IReadOnlyList<string?>>[Streams];
            for (var n = 0; n < Streams; n++)
            {
                boxes[n].Count++;
                var second = RowWrite.Put(GrainId.Create("box", Key(n)), "twin", RowWrite.AnyETag, boxes[n]) with { Projections = [] };
                writes[n] = store.Rows.WriteAsync([RowWrite.Put(GrainId.Create("box", Key(n)), "s", etags[n], boxes[n]), second], CancellationToken.None);
            }

            for (var n = 0; n < Streams; n++)
            {
                etags[n] = writes[n].GetAwaiter().GetResult()[0];
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Key(n)} {boxes[n].Count}"));
                Console.Out.Flush();
            }
        }
    }

    private static Box? Read(EmbeddedStore store, int n, out string? etag)
    {
        var row = store.Rows.ReadAsync($"box/{Key(n)}", "s", CancellationToken.None).GetAwaiter().GetResult();
        etag = row?.ETag;
        return row?.Load<Box>();
    }

    private static string Key(int n) => string.Create(CultureInfo.InvariantCulture, $"b{n:D2}");
}
