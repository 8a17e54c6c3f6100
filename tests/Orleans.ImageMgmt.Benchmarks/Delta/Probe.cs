using System.Diagnostics;
using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;
namespace Orleans.ImageMgmt.Benchmarks.Delta;
internal static class Probe
{
    public static int Run(string old, string image, int every)
    {
        var length = RandomAccess.GetLength(File.OpenHandle(old));
        var chunks = (int)(length >> 20);
        byte[] fake = new byte[chunks * 32]; 
        using var before = File.OpenHandle(old); using var after = File.OpenHandle(image);
        var room = new byte[1 << 20];
        for (var i = 0; i < chunks; i++) { RandomAccess.Read(before, room, (long)i << 20); if (room.AsSpan().ContainsAnyExcept((byte)0)) { fake[i * 32] = 1; fake[(i * 32) + 1] = (byte)i; fake[(i * 32) + 2] = (byte)(i >> 8); } }
        var manifest = new ContentManifest(length, 1 << 20, Digest.FromBytes(new byte[32]), fake);
        // digests of the old
        var held = new HashSet<ulong>();
        for (var i = 0; i < chunks; i++) { if (fake[i * 32] == 0) continue; RandomAccess.Read(before, room, (long)i << 20); for (var b = 0; b < 256; b++) held.Add(BlockLayout.DigestOf(room.AsSpan(b * 4096, 4096))); }
        var cpu = Environment.CpuUsage.TotalTime;
        var index = WindowIndex.Make(before, manifest, default);
        Console.WriteLine($"index {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds:0.00} CPU s");
        var pieces = new List<byte[]>();
        var count = 0; long raw = 0;
        for (var i = 0; i < chunks; i++)
        {
            room.AsSpan().Clear(); RandomAccess.Read(after, room, (long)i << 20);
            var missing = new List<byte>();
            for (var b = 0; b < 256; b++) { var d = BlockLayout.DigestOf(room.AsSpan(b * 4096, 4096)); if (d != 0 && !held.Contains(d)) missing.AddRange(room.AsSpan(b * 4096, 4096)); }
            if (missing.Count == 0) continue;
            if (count++ % every == 0) { pieces.Add([.. missing]); raw += missing.Count; }
        }
        Console.WriteLine($"{pieces.Count} of {count} pieces, {raw / 1e6:0.0} MB raw");
        var packed = new byte[(1 << 20) + 1000];
        var prefix = new byte[BlockFrame.MaxWindows * 2 * 65536];
        foreach (var (slots, spacing) in new (int, int)[] { (22, 10), (24, 9), (24, 8), (24, 7) })
        {
            WindowIndex.SlotBits = slots; WindowIndex.MinSpacingBits = spacing;
            cpu = Environment.CpuUsage.TotalTime;
            index = WindowIndex.Make(before, manifest, default);
            var made = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds;
            long sum = 0; var w = 0L; var hist = new long[11]; var histn = new int[11];
            cpu = Environment.CpuUsage.TotalTime;
            foreach (var piece in pieces)
            {
                using var packer = BlockPacker.Rent();
                int[] windows = index.Find(piece, 48);
                w += windows.Length;
                for (var i = 0; i < windows.Length; i++) RandomAccess.Read(before, prefix.AsSpan(i * 65536, 65536), (long)windows[i] * 65536);
                BlockPacker.Tune = (18, 17, 22);
                var n = packer.Pack(piece, prefix.AsSpan(0, windows.Length * 65536), 3, packed);
                n = n == 0 ? piece.Length : n + (windows.Length * 4);
                sum += n; hist[(int)(10L * n / piece.Length)] += n; histn[(int)(10L * n / piece.Length)]++;
            }
            Console.WriteLine($"slots {slots} spacing {spacing}: made {made:0.0}, {sum * (double)every / 1e6:0.0} MB, {(Environment.CpuUsage.TotalTime - cpu).TotalSeconds * every:0.0} CPU s, windows {w / (double)pieces.Count:0.0}");
            for (var i = 0; i < 11; i++) Console.Write($" {i*10}%:{histn[i]}/{hist[i] * every / 1e6:0}MB");
            Console.WriteLine();
        }
        return 0;
    }
}
