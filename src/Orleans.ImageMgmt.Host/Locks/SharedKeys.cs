using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.Extensions.DependencyInjection;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains.Durable;
using Orleans.Storage;

namespace Orleans.ImageMgmt.Host;

/// <summary>The keys of browser sessions in the database of a cluster, so that a browser that signed in at one process is signed in at all. With a secret that all
/// processes share they lie there encrypted (<c>Cluster:SecretFile</c>); without, whoever reads the database can read them, as all else in it.</summary>
internal sealed class SharedKeys(IDurableStore rows) : IXmlRepository
{
    private const string Owner = "session-keys";

    /// <summary>Processes that start together make one key: it has this name, and the first one to write it wins.</summary>
    private const string First = "first";

    /// <summary>A key lives 90 days; so many are kept for years.</summary>
    private const int Keys = Limits.PageRows;

    public static void Add(IServiceCollection services, SharedSecret? secret)
    {
        if (secret is not null)
        {
            services.AddSingleton(secret);
        }

        services.AddOptions<KeyManagementOptions>().Configure<IDurableStore>((options, rows) =>
        {
            options.XmlRepository = new SharedKeys(rows);
            options.XmlEncryptor = secret is null ? null : new SecretEncryptor(secret);
        });
    }

    /// <exception cref="SettingsException">There are keys that this process cannot read: it would sign everybody out, and make keys that the others cannot read.</exception>
    public static async Task CheckAsync(IDurableStore rows, SharedSecret? secret, CancellationToken stop)
    {
        foreach (var row in await rows.ListAsync(Owner, "", null, Keys, stop))
        {
            if (SecretDecryptor.SealOf(Parse(row)) is { } seal && !(secret?.Opens(seal) ?? false))
            {
                throw new SettingsException(secret is null
                    ? "The keys of browser sessions in the database are encrypted: give Cluster:SecretFile, the same file as in the other processes of the cluster."
                    : "The keys of browser sessions in the database are encrypted with another secret than Cluster:SecretFile holds: give the same file as in the other processes of the cluster.");
            }
        }
    }

    public IReadOnlyCollection<XElement> GetAllElements() => [.. Run(stop => rows.ListAsync(Owner, "", null, Keys, stop)).Select(Parse)];

    public void StoreElement(XElement element, string friendlyName)
    {
        var isFirst = Run(stop => rows.ListAsync(Owner, "", null, 1, stop)).Count == 0;
        var write = new RowWrite(Owner, isFirst ? First : friendlyName, null, Encoding.UTF8.GetBytes(element.ToString(SaveOptions.DisableFormatting)), []);
        try
        {
            Run(stop => rows.WriteAsync([write], stop));
        }
        catch (InconsistentStateException) when (isFirst)
        {
            // Another process was first; its key is read next, and is everybody's.
        }
    }

    private static XElement Parse(StoredRow row) => XElement.Parse(Encoding.UTF8.GetString(row.Payload.Span));

    /// <summary>ASP.NET asks for keys without waiting: once at the start, then every day or so. The store limits the wait.</summary>
    private static T Run<T>(Func<CancellationToken, Task<T>> work) => Task.Run(() => work(CancellationToken.None)).GetAwaiter().GetResult();
}

/// <summary>What all processes of a cluster know and the database does not.</summary>
internal sealed class SharedSecret
{
    /// <summary>Shorter ones can be guessed.</summary>
    private const int LeastBytes = 32;

    private const int MostBytes = 4 << 10;

    private readonly byte[] key;

    private SharedSecret(byte[] secret)
    {
        key = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: "imgmt session keys"u8.ToArray());
        Mark = Convert.ToHexStringLower(HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 8, info: "imgmt mark of the secret"u8.ToArray()));
    }

    /// <summary>Says which secret it was, and nothing of it.</summary>
    public string Mark { get; }

    /// <summary>Null when none is given.</summary>
    /// <exception cref="SettingsException">The file cannot be used.</exception>
    public static SharedSecret? Read(HostSettings settings)
    {
        if (settings.Cluster.SecretFile is not { Length: > 0 } file)
        {
            return null;
        }

        try
        {
            PrivateFiles.RequirePrivate(file, settings.Trust.AllowGroupRead);
            var bytes = new FileInfo(file).Length <= MostBytes ? File.ReadAllBytes(file) : [];
            return bytes.Length >= LeastBytes ? new SharedSecret(bytes)
                : throw new SettingsException($"Cluster:SecretFile {file} is no secret of {LeastBytes} to {MostBytes} bytes; make one with: head -c 32 /dev/urandom");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or Client.TrustException)
        {
            throw new SettingsException($"Cluster:SecretFile cannot be read: {problem.Message}");
        }
    }

    public bool Opens(string mark) => mark == Mark;

    /// <summary>AES-256 in GCM: nonce, tag, text.</summary>
    public byte[] Seal(ReadOnlySpan<byte> text)
    {
        var sealed_ = new byte[AesGcm.NonceByteSizes.MaxSize + AesGcm.TagByteSizes.MaxSize + text.Length];
        var (nonce, tag, body) = Parts(sealed_);
        RandomNumberGenerator.Fill(nonce.Span);
        using var aes = new AesGcm(key, tag.Length);
        aes.Encrypt(nonce.Span, text, body.Span, tag.Span);
        return sealed_;
    }

    /// <exception cref="CryptographicException">It was sealed with another secret, or has changed.</exception>
    public byte[] Open(byte[] sealed_)
    {
        if (sealed_.Length < AesGcm.NonceByteSizes.MaxSize + AesGcm.TagByteSizes.MaxSize)
        {
            throw new CryptographicException("The sealed key is too short.");
        }

        var (nonce, tag, body) = Parts(sealed_);
        var text = new byte[body.Length];
        using var aes = new AesGcm(key, tag.Length);
        aes.Decrypt(nonce.Span, body.Span, tag.Span, text);
        return text;
    }

    private static (Memory<byte> Nonce, Memory<byte> Tag, Memory<byte> Body) Parts(byte[] all)
    {
        var (nonce, tag) = (AesGcm.NonceByteSizes.MaxSize, AesGcm.TagByteSizes.MaxSize);
        return (all.AsMemory(0, nonce), all.AsMemory(nonce, tag), all.AsMemory(nonce + tag));
    }
}

internal sealed class SecretEncryptor(SharedSecret secret) : IXmlEncryptor
{
    public EncryptedXmlInfo Encrypt(XElement plaintextElement) => new(
        new XElement(SecretDecryptor.Element, new XAttribute(SecretDecryptor.Mark, secret.Mark),
            Convert.ToBase64String(secret.Seal(Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting))))),
        typeof(SecretDecryptor));
}

/// <summary>Made by ASP.NET, by the name that stands beside what was encrypted: it stays as it is.</summary>
internal sealed class SecretDecryptor(IServiceProvider services) : IXmlDecryptor
{
    public const string Element = "sealed";
    public const string Mark = "secret";

    /// <summary>Which secret a key is sealed with; null for one that lies open.</summary>
    public static string? SealOf(XElement key) => key.Descendants(Element).FirstOrDefault()?.Attribute(Mark)?.Value;

    public XElement Decrypt(XElement encryptedElement)
    {
        var secret = services.GetService<SharedSecret>() ?? throw new CryptographicException("The key is sealed, and this process has no Cluster:SecretFile.");
        return XElement.Parse(Encoding.UTF8.GetString(secret.Open(Convert.FromBase64String(encryptedElement.Value))));
    }
}
