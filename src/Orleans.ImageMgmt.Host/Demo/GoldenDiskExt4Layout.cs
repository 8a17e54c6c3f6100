using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Orleans.ImageMgmt.Host.Demo;

/// <summary>Neighbouring blocks of one file.</summary>
internal readonly record struct GoldenExt4Run(int FileBlock, int DiskBlock, int Count);

/// <summary>The block groups of an ext4 file system: what is where, what is used, and the tables that say so.</summary>
internal sealed class GoldenExt4Layout
{
    internal const ushort ExtraInodeBytes = 32;

    private const int Block = GoldenDiskExt4.Block;
    private const int PerGroup = GoldenDiskExt4.BlocksPerGroup;
    private const int DescriptorBytes = 32;
    private const int MostGroups = Block / DescriptorBytes;
    private const int InodesPerBlock = Block / GoldenDiskExt4.InodeBytes;
    private const int SmallestLastGroup = 64;
    private const uint FileTypesAndExtents = 0x2 | 0x40;
    private const uint SparseSuperLargeFileExtraSize = 0x1 | 0x2 | 0x40;

    private readonly int blocks;
    private readonly int groups;
    private readonly int inodesPerGroup;
    private readonly byte[][] blockMaps;
    private readonly byte[][] inodeMaps;
    private readonly int[] folders;
    private int next;

    public GoldenExt4Layout(long bytes, int inodes)
    {
        groups = (int)((bytes / Block + PerGroup - 1) / PerGroup);
        if (groups is 0 or > MostGroups)
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "a golden file system has 1 to 128 block groups");
        }

        inodesPerGroup = (((inodes + groups - 1) / groups) + InodesPerBlock - 1) / InodesPerBlock * InodesPerBlock;
        blocks = (int)(bytes / Block);
        var rest = blocks - ((groups - 1) * PerGroup);
        if (groups > 1 && rest < MetadataBlocks(groups - 1) + SmallestLastGroup)
        {
            blocks -= rest;
            groups--;
        }

        blockMaps = [.. Enumerable.Range(0, groups).Select(_ => new byte[Block])];
        inodeMaps = [.. Enumerable.Range(0, groups).Select(_ => new byte[Block])];
        folders = new int[groups];
        next = MetadataBlocks(0);
        MarkMetadata();
    }

    private int TableBlocks => inodesPerGroup / InodesPerBlock;

    public long InodeOffset(int inode)
    {
        var group = (inode - 1) / inodesPerGroup;
        var inGroup = (inode - 1) % inodesPerGroup;
        return ((long)(InodeTable(group) + (inGroup / InodesPerBlock)) * Block) + (inGroup % InodesPerBlock * GoldenDiskExt4.InodeBytes);
    }

    /// <summary>Takes the next blocks in order, around the groups' own tables.</summary>
    public GoldenExt4Run[] Allocate(long bytes)
    {
        var wanted = (int)((bytes + Block - 1) / Block);
        var runs = new List<GoldenExt4Run>();
        for (var fileBlock = 0; fileBlock < wanted;)
        {
            var group = next / PerGroup;
            if (next >= blocks)
            {
                throw new GoldenDiskException("the demo's disk is too small for its files: give a larger size or your own disk with --disk FILE");
            }

            var groupEnd = Math.Min(blocks, (group + 1) * PerGroup);
            var count = Math.Min(wanted - fileBlock, groupEnd - next);
            runs.Add(new GoldenExt4Run(fileBlock, next, count));
            fileBlock += count;
            next += count;
            if (next == groupEnd && group + 1 < groups)
            {
                next += MetadataBlocks(group + 1);
            }
        }

        return [.. runs];
    }

    public void Use(int inode, GoldenExt4Run[] runs, bool isFolder)
    {
        var group = (inode - 1) / inodesPerGroup;
        Set(inodeMaps[group], (inode - 1) % inodesPerGroup);
        folders[group] += isFolder ? 1 : 0;
        foreach (var run in runs)
        {
            for (var block = run.DiskBlock; block < run.DiskBlock + run.Count; block++)
            {
                Set(blockMaps[block / PerGroup], block % PerGroup);
            }
        }
    }

    public void UseReservedInodes(int firstFree)
    {
        for (var inode = 1; inode < firstFree; inode++)
        {
            Set(inodeMaps[0], inode - 1);
        }
    }

    public void WriteTables(SafeFileHandle disk, long start)
    {
        var descriptors = Descriptors(out var freeBlocks, out var freeInodes);
        for (var group = 0; group < groups; group++)
        {
            var first = group * PerGroup;
            if (HasSuperblock(group))
            {
                var super = Superblock(group, freeBlocks, freeInodes);
                RandomAccess.Write(disk, super, start + ((long)first * Block) + (group == 0 ? 1024 : 0));
                RandomAccess.Write(disk, descriptors, start + ((long)(first + 1) * Block));
            }

            RandomAccess.Write(disk, blockMaps[group], start + ((long)BlockMap(group) * Block));
            RandomAccess.Write(disk, inodeMaps[group], start + ((long)(BlockMap(group) + 1) * Block));
        }
    }

    private static void Set(byte[] map, int bit) => map[bit / 8] |= (byte)(1 << (bit % 8));

    private static int Unset(byte[] map) => (map.Length * 8) - map.Sum(b => System.Numerics.BitOperations.PopCount(b));

    /// <summary>Copies of the superblock are in groups 0, 1 and the powers of 3, 5 and 7.</summary>
    private static bool HasSuperblock(int group) => group <= 1 || IsPower(group, 3) || IsPower(group, 5) || IsPower(group, 7);

    private static bool IsPower(int value, int root)
    {
        while (value % root == 0)
        {
            value /= root;
        }

        return value == 1;
    }

    private static int BlockMap(int group) => (group * PerGroup) + (HasSuperblock(group) ? 2 : 0);

    private static int InodeTable(int group) => BlockMap(group) + 2;

    private int MetadataBlocks(int group) => (HasSuperblock(group) ? 2 : 0) + 2 + TableBlocks;

    private void MarkMetadata()
    {
        for (var group = 0; group < groups; group++)
        {
            for (var block = 0; block < MetadataBlocks(group); block++)
            {
                Set(blockMaps[group], block);
            }

            // Bits that stand for nothing are set, so that nobody hands them out.
            for (var block = blocks - (group * PerGroup); block < PerGroup; block++)
            {
                Set(blockMaps[group], block);
            }

            for (var inode = inodesPerGroup; inode < Block * 8; inode++)
            {
                Set(inodeMaps[group], inode);
            }
        }
    }

    private byte[] Descriptors(out int freeBlocks, out int freeInodes)
    {
        var table = new byte[Block];
        freeBlocks = freeInodes = 0;
        for (var group = 0; group < groups; group++)
        {
            var entry = table.AsSpan(group * DescriptorBytes, DescriptorBytes);
            var blocksLeft = Unset(blockMaps[group]);
            var inodesLeft = Unset(inodeMaps[group]);
            BinaryPrimitives.WriteUInt32LittleEndian(entry, (uint)BlockMap(group));
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], (uint)BlockMap(group) + 1);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], (uint)InodeTable(group));
            BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], (ushort)blocksLeft);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[14..], (ushort)inodesLeft);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[16..], (ushort)folders[group]);
            freeBlocks += blocksLeft;
            freeInodes += inodesLeft;
        }

        return table;
    }

    private byte[] Superblock(int group, int freeBlocks, int freeInodes)
    {
        var super = new byte[1024];
        void Put(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(super.AsSpan(at), value);
        void PutShort(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(super.AsSpan(at), value);
        Put(0x00, (uint)(inodesPerGroup * groups));
        Put(0x04, (uint)blocks);
        Put(0x0C, (uint)freeBlocks);
        Put(0x10, (uint)freeInodes);
        Put(0x18, 2); // block size: 1024 << 2
        Put(0x1C, 2);
        Put(0x20, PerGroup);
        Put(0x24, PerGroup);
        Put(0x28, (uint)inodesPerGroup);
        Put(0x30, (uint)GoldenDisk.Epoch);
        PutShort(0x36, ushort.MaxValue); // no forced check after so many mounts
        PutShort(0x38, 0xEF53);
        PutShort(0x3A, 1); // clean
        PutShort(0x3C, 1); // on errors go on
        Put(0x40, (uint)GoldenDisk.Epoch);
        Put(0x4C, 1); // revision with variable inode size
        Put(0x54, GoldenDiskExt4.FirstFreeInode);
        PutShort(0x58, GoldenDiskExt4.InodeBytes);
        PutShort(0x5A, (ushort)group);
        Put(0x60, FileTypesAndExtents);
        Put(0x64, SparseSuperLargeFileExtraSize);
        "ImageMgmt-golden"u8.CopyTo(super.AsSpan(0x68)); // the file system's id: fixed, 16 bytes
        Encoding.ASCII.GetBytes("golden").CopyTo(super.AsSpan(0x78));
        "ImageMgmt-golden"u8.CopyTo(super.AsSpan(0xEC)); // seed of folder hashes, unused without indexes
        super[0xFC] = 1;
        Put(0x108, (uint)GoldenDisk.Epoch);
        PutShort(0x15C, ExtraInodeBytes);
        PutShort(0x15E, ExtraInodeBytes);
        Put(0x160, 1); // signed hash
        return super;
    }
}
