using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>
/// Writes a file tree as an ext4 file system straight onto a disk, much faster than mke2fs fills one and with nothing of the machine's clock in it.
/// Layout after the kernel's documentation of ext4 ("ext4 Data Structures and Algorithms"): 4 KiB blocks, extents, sparse superblock
/// copies, no journal. Every file has at most four extents (files are 64 MiB at most, a block group's run is 127 MiB), so extents live in the inode.
/// </summary>
internal sealed class GoldenDiskExt4
{
    internal const int Block = 4096;
    internal const int BlocksPerGroup = 32768;
    internal const int InodeBytes = 256;
    internal const int FirstFreeInode = 11;
    private const int RootInode = 2;
    private const int InodesPerBlock = Block / InodeBytes;
    private const int LostAndFoundBlocks = 4;
    private const int CopyBytes = 1 << 20;
    private const string LostAndFound = "lost+found";

    private readonly GoldenTree tree;
    private readonly GoldenExt4Layout layout;
    private readonly GoldenExt4Node root = new("", isFolder: true) { Inode = RootInode };
    private readonly List<GoldenExt4Node> nodes = [];
    private readonly GoldenExt4Run[][] places;

    /// <param name="tree">The files.</param>
    /// <param name="bytes">Room on the disk, in bytes.</param>
    public GoldenDiskExt4(GoldenTree tree, long bytes)
    {
        this.tree = tree;
        layout = new GoldenExt4Layout(bytes, tree.InodesNeeded + FirstFreeInode);
        places = new GoldenExt4Run[tree.Contents.Count][];
        _ = root.Folder(LostAndFound);
        foreach (var file in tree.Files)
        {
            AddFile(file);
        }

        PlaceAll();
    }

    /// <summary>Writes the file system; the disk's file must be all zeros from <paramref name="start"/> on.</summary>
    public void Write(SafeFileHandle disk, long start, CancellationToken cancel)
    {
        var buffer = new byte[CopyBytes];
        for (var i = 0; i < tree.Contents.Count; i++)
        {
            cancel.ThrowIfCancellationRequested();
            CopyContent(disk, start, tree.Contents[i], places[i], buffer);
        }

        foreach (var node in nodes.Where(node => node.IsFolder))
        {
            WriteRuns(disk, start, node.FolderBlocks(), node.Runs);
        }

        WriteInodes(disk, start);
        layout.WriteTables(disk, start);
    }

    private void AddFile(GoldenFile file)
    {
        var names = file.Path.Split('/');
        var folder = names[..^1].Aggregate(root, (parent, name) => parent.Folder(name));
        folder.File(names[^1], file.Content, tree.Contents[file.Content].Length);
    }

    /// <summary>Numbers and places everything. What only the newer version has comes last, so that what both have lies at the same blocks.</summary>
    private void PlaceAll()
    {
        nodes.Add(root);
        var next = FirstFreeInode;
        foreach (var node in root.Descendants())
        {
            node.Inode = next++;
            nodes.Add(node);
        }

        // The tree is walked in name order and "upgrade-1.1" sorts behind all other top folders: existing inode numbers stay.
        foreach (var folder in nodes.Where(node => node.IsFolder && !IsUpgrade(node)))
        {
            Place(folder);
        }

        for (var i = 0; i < places.Length; i++)
        {
            places[i] = layout.Allocate(tree.Contents[i].Length);
        }

        foreach (var folder in nodes.Where(node => node.IsFolder && IsUpgrade(node)))
        {
            Place(folder);
        }

        foreach (var node in nodes)
        {
            node.Runs = node.IsFolder ? node.Runs : places[node.Content];
            layout.Use(node.Inode, node.Runs, node.IsFolder);
        }

        layout.UseReservedInodes(FirstFreeInode);
    }

    private static bool IsUpgrade(GoldenExt4Node node) => node.Name.StartsWith("upgrade-", StringComparison.Ordinal);

    private void Place(GoldenExt4Node folder)
    {
        folder.Length = Math.Max(folder.FolderBlocks().Length, folder.Name == LostAndFound ? LostAndFoundBlocks * Block : Block);
        folder.Runs = layout.Allocate(folder.Length);
    }

    private static void CopyContent(SafeFileHandle disk, long start, GoldenContent content, GoldenExt4Run[] runs, byte[] buffer)
    {
        if (content.Source is not { } source)
        {
            WriteRuns(disk, start, content.Text, runs);
            return;
        }

        using var file = File.OpenHandle(source, options: FileOptions.SequentialScan);
        foreach (var run in runs)
        {
            var from = (long)run.FileBlock * Block;
            var end = Math.Min(content.Length, from + ((long)run.Count * Block));
            var to = start + ((long)run.DiskBlock * Block) - from;
            while (from < end)
            {
                var got = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - from)), from);
                if (got == 0)
                {
                    throw new GoldenDiskException($"{source} became shorter while the demo's disk was built from it: run the command again");
                }

                Mask(buffer.AsSpan(0, got), content.Mask);
                RandomAccess.Write(disk, buffer.AsSpan(0, got), to + from);
                from += got;
            }
        }
    }

    private static void Mask(Span<byte> bytes, byte mask)
    {
        if (mask == 0)
        {
            return;
        }

        foreach (ref var b in bytes)
        {
            b ^= mask;
        }
    }

    private static void WriteRuns(SafeFileHandle disk, long start, ReadOnlySpan<byte> bytes, GoldenExt4Run[] runs)
    {
        foreach (var run in runs)
        {
            var from = run.FileBlock * Block;
            if (from < bytes.Length)
            {
                RandomAccess.Write(disk, bytes[from..Math.Min(bytes.Length, from + (run.Count * Block))], start + ((long)run.DiskBlock * Block));
            }
        }
    }

    private void WriteInodes(SafeFileHandle disk, long start)
    {
        foreach (var group in nodes.GroupBy(node => (node.Inode - 1) / InodesPerBlock))
        {
            var block = new byte[Block];
            foreach (var node in group)
            {
                WriteInode(block.AsSpan((node.Inode - 1) % InodesPerBlock * InodeBytes, InodeBytes), node);
            }

            RandomAccess.Write(disk, block, start + layout.InodeOffset((group.Key * InodesPerBlock) + 1));
        }
    }

    private static void WriteInode(Span<byte> inode, GoldenExt4Node node)
    {
        const uint usesExtents = 0x80000;
        const ushort folderMode = 0x41ED;
        const ushort fileMode = 0x81A4;
        BinaryPrimitives.WriteUInt16LittleEndian(inode, node.IsFolder ? folderMode : fileMode);
        BinaryPrimitives.WriteUInt32LittleEndian(inode[4..], (uint)node.Length);
        foreach (var time in (ReadOnlySpan<int>)[0x08, 0x0C, 0x10, 0x90])
        {
            BinaryPrimitives.WriteUInt32LittleEndian(inode[time..], (uint)GoldenDisk.Epoch);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(inode[0x1A..], (ushort)node.Links);
        BinaryPrimitives.WriteUInt32LittleEndian(inode[0x1C..], (uint)(node.Runs.Sum(run => run.Count) * (Block / GoldenDisk.Sector)));
        BinaryPrimitives.WriteUInt32LittleEndian(inode[0x20..], usesExtents);
        BinaryPrimitives.WriteUInt16LittleEndian(inode[0x80..], GoldenExt4Layout.ExtraInodeBytes);
        WriteExtents(inode.Slice(0x28, 60), node.Runs);
    }

    private static void WriteExtents(Span<byte> map, GoldenExt4Run[] runs)
    {
        const ushort magic = 0xF30A;
        const ushort most = 4;
        if (runs.Length > most)
        {
            throw new NotSupportedException("a file of a golden disk has at most four extents");
        }

        BinaryPrimitives.WriteUInt16LittleEndian(map, magic);
        BinaryPrimitives.WriteUInt16LittleEndian(map[2..], (ushort)runs.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(map[4..], most);
        for (var i = 0; i < runs.Length; i++)
        {
            var extent = map[(12 + (i * 12))..];
            BinaryPrimitives.WriteUInt32LittleEndian(extent, (uint)runs[i].FileBlock);
            BinaryPrimitives.WriteUInt16LittleEndian(extent[4..], (ushort)runs[i].Count);
            BinaryPrimitives.WriteUInt32LittleEndian(extent[8..], (uint)runs[i].DiskBlock);
        }
    }
}

/// <summary>A file or folder on its way to an inode.</summary>
internal sealed class GoldenExt4Node(string name, bool isFolder)
{
    private const int EntryHead = 8;

    private readonly SortedDictionary<string, GoldenExt4Node> children = new(StringComparer.Ordinal);

    public string Name => name;

    public bool IsFolder => isFolder;

    public int Inode { get; set; }

    public int Content { get; private init; }

    public long Length { get; set; }

    public GoldenExt4Run[] Runs { get; set; } = [];

    /// <summary>A folder is named by its parent, by its own "." and by the ".." of each folder in it.</summary>
    public int Links => isFolder ? 2 + children.Values.Count(child => child.IsFolder) : 1;

    private GoldenExt4Node? Parent { get; init; }

    public GoldenExt4Node Folder(string child)
    {
        if (!children.TryGetValue(child, out var folder))
        {
            children.Add(child, folder = new GoldenExt4Node(child, isFolder: true) { Parent = this });
        }

        return folder;
    }

    public void File(string child, int content, long length) =>
        children.Add(child, new GoldenExt4Node(child, isFolder: false) { Parent = this, Content = content, Length = length });

    public IEnumerable<GoldenExt4Node> Descendants() => children.Values.SelectMany(child => child.Descendants().Prepend(child));

    /// <summary>The folder's entries, packed into blocks; the last entry of each block reaches to its end.</summary>
    public byte[] FolderBlocks()
    {
        var blocks = new List<byte[]>();
        var entries = children.Values.Select(child => (child.Name, child)).Prepend(("..", Parent ?? this)).Prepend((".", this));
        var at = GoldenDiskExt4.Block;
        var last = 0;
        foreach (var (entryName, node) in entries)
        {
            var bytes = Encoding.UTF8.GetBytes(entryName);
            var room = (EntryHead + bytes.Length + 3) & ~3;
            if (at + room > GoldenDiskExt4.Block)
            {
                blocks.Add(new byte[GoldenDiskExt4.Block]);
                at = last = 0;
            }
            else
            {
                BinaryPrimitives.WriteUInt16LittleEndian(blocks[^1].AsSpan(last + 4), (ushort)(at - last));
                last = at;
            }

            WriteEntry(blocks[^1].AsSpan(at), node, bytes);
            at += room;
        }

        for (var padding = blocks.Count; padding * GoldenDiskExt4.Block < Length; padding++)
        {
            var empty = new byte[GoldenDiskExt4.Block];
            BinaryPrimitives.WriteUInt16LittleEndian(empty.AsSpan(4), GoldenDiskExt4.Block);
            blocks.Add(empty);
        }

        return [.. blocks.SelectMany(block => block)];
    }

    private static void WriteEntry(Span<byte> room, GoldenExt4Node node, byte[] name)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(room, (uint)node.Inode);
        BinaryPrimitives.WriteUInt16LittleEndian(room[4..], (ushort)room.Length);
        room[6] = (byte)name.Length;
        room[7] = node.IsFolder ? (byte)2 : (byte)1;
        name.CopyTo(room[EntryHead..]);
    }
}
