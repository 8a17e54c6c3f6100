using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.ImageMgmt.Content.Formats;

/// <summary>Checks the digests that an OVA names for its own members. Source: DMTF DSP0243, section "Packaging" (manifest file).</summary>
internal sealed class OvaManifest(ImageFile file, List<TarMember> members, Action<long, long>? advanced, CancellationToken cancellationToken)
{
    /// <summary>Bytes of manifest read: far more than <see cref="TarMembers.MaxMembers"/> lines need.</summary>
    public const int MaxLength = 64 << 10;

    private const int BufferLength = 1 << 20;

    private long bytesRead;

    /// <summary>Reads every listed member whole. An OVA without a manifest has nothing to check.</summary>
    /// <param name="needed">Members that the manifest has to list.</param>
    public void Check(params TarMember[] needed)
    {
        if (members.Find(static member => member.HasExtension(".mf")) is not { } manifest)
        {
            return;
        }

        if (manifest.Length > MaxLength)
        {
            throw file.Fault("manifest", manifest.Offset, $"The manifest has {manifest.Length} bytes; at most {MaxLength} can be taken.");
        }

        var bytes = new byte[manifest.Length];
        file.ReadExactly(manifest.Offset, bytes, "manifest");
        var listed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var line in Encoding.UTF8.GetString(bytes).Split('\n').Select(static line => line.Trim()).Where(static line => line.Length > 0))
        {
            var (algorithm, name, digest) = Parse(manifest, line);
            if (members.Find(member => member.Name == name) is not { } member || !listed.Add(name))
            {
                throw file.Fault("manifest", manifest.Offset, "The manifest names a member twice, or one that is not in this OVA. Copy or export it again: it is cut short or damaged.");
            }

            if (!Digest(member, algorithm).SequenceEqual(digest))
            {
                throw file.Fault("manifest-mismatch", member.Offset, $"The member at {member.Offset} does not have the {algorithm.Name} that the manifest names. Copy or export the OVA again: it is damaged or was changed.");
            }
        }

        if (needed.FirstOrDefault(member => !listed.Contains(member.Name)) is { } missing)
        {
            throw file.Fault("manifest", missing.Offset, "The manifest does not name the descriptor and the disk, so it proves nothing about them. Make the OVA again, with a full manifest or none.");
        }
    }

    /// <summary>A line such as <c>SHA256(disk.vmdk)= 0a1b…</c>.</summary>
    private (HashAlgorithmName Algorithm, string Name, byte[] Digest) Parse(TarMember manifest, string line)
    {
        var open = line.IndexOf('(', StringComparison.Ordinal);
        var close = line.LastIndexOf(')');
        var equals = line.LastIndexOf('=');
        if (open > 0 && close > open && equals > close)
        {
            (HashAlgorithmName Name, int Length) algorithm = line[..open].Trim().ToUpperInvariant() switch
            {
                "SHA1" => (HashAlgorithmName.SHA1, 20),
                "SHA256" => (HashAlgorithmName.SHA256, 32),
                "SHA512" => (HashAlgorithmName.SHA512, 64),
                _ => (default, 0),
            };
            var hex = line[(equals + 1)..].Trim();
            if (algorithm.Length > 0 && hex.Length == algorithm.Length * 2 && hex.All(char.IsAsciiHexDigit))
            {
                return (algorithm.Name, line[(open + 1)..close], Convert.FromHexString(hex));
            }
        }

        throw file.Fault("manifest", manifest.Offset, "The manifest has a line that is no SHA1, SHA256 or SHA512 digest of a member. Make the OVA again, with a right manifest or none.");
    }

    [SuppressMessage("Security", "CA5350", Justification = "OVF 1.0 manifests use SHA-1; it finds damage, and the version's identity is a SHA-256 of its own.")]
    private byte[] Digest(TarMember member, HashAlgorithmName algorithm)
    {
        using var hash = IncrementalHash.CreateHash(algorithm);
        var buffer = new byte[Math.Min(BufferLength, member.Length)];
        for (long done = 0; done < member.Length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, member.Length - done));
            file.ReadExactly(member.Offset + done, part, "member of the OVA");
            hash.AppendData(part);
            done += part.Length;
            bytesRead += part.Length;
            advanced?.Invoke(bytesRead, file.Length);
        }

        return hash.GetHashAndReset();
    }
}
