using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Npgsql;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Testing;
using Xunit;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Silos as processes of their own on one PostgreSQL server, with certificates of one authority.</summary>
/// <param name="server">Where their database is made.</param>
/// <param name="membership">Settings of the cluster; none: probes as on machines of their own, so that a test need not wait longer than it takes.</param>
internal sealed class SiloCluster(PostgresServer server, IReadOnlyList<string>? membership = null) : IAsyncDisposable
{
    private static readonly string[] Quick = ["Cluster:ProbeTimeout=1s", "Cluster:MissedProbes=2", "Cluster:AliveInterval=2s"];

    private readonly List<Silo> silos = [];
    private string database = "";

    /// <summary>Connection string of the database that they share.</summary>
    public string Database => database;

    public string Root { get; } = Directory.CreateTempSubdirectory("imgmt-cluster-").FullName;

    public IReadOnlyList<Silo> Silos => silos;

    /// <summary>Starts silos at once, on a database that none of them has seen before, or on the one that is given.</summary>
    /// <param name="count">How many.</param>
    /// <param name="onto">The database; null: a new one.</param>
    /// <param name="settings">Beside those that make them one cluster.</param>
    public async Task StartAsync(int count, string? onto = null, IReadOnlyList<string>? settings = null)
    {
        database = onto ?? await server.CreateDatabaseAsync();
        for (var n = 1; n <= count; n++)
        {
            await AddAsync(string.Create(CultureInfo.InvariantCulture, $"silo-{n}"), settings ?? []);
        }

        await StartAllAsync();
    }

    /// <summary>Starts one process for each list of settings, all at once.</summary>
    public async Task StartAsync(params IReadOnlyList<string[]> settings)
    {
        database = await server.CreateDatabaseAsync();
        for (var n = 0; n < settings.Count; n++)
        {
            await AddAsync(string.Create(CultureInfo.InvariantCulture, $"process-{n + 1}"), settings[n]);
        }

        await StartAllAsync();
    }

    /// <summary>One more process with a certificate of its own, not started yet.</summary>
    public async Task<Silo> AddAsync(string name, params IReadOnlyList<string> settings)
    {
        var silo = new Silo(Path.Combine(Root, name), database, membership ?? Quick, settings);
        await using var issue = ImgmtProcess.Start("trust", "issue-silo", "--data", Path.Combine(Root, "authority"), "--out", silo.Trust);
        Assert.True(await issue.ExitAsync() == 0, issue.ToString());
        silos.Add(silo);
        return silo;
    }

    /// <summary>The token that the first of them made.</summary>
    public string Token => File.ReadAllText(silos.Select(silo => Path.Combine(silo.Data, "administrator.token")).Single(File.Exists)).Trim();

    public ImageMgmtHttpClient Client(int silo) => silos[silo].Client(Token);

    /// <summary>Silos that the others have declared dead.</summary>
    public async Task<long> CountDeadAsync()
    {
        await using var connection = new NpgsqlConnection(database + ";Search Path=imgmt");
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand("SELECT count(*) FROM silo WHERE status = 6", connection);
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in silos)
        {
            await silo.DisposeAsync();
        }

        Directory.Delete(Root, recursive: true);
    }

    private async Task StartAllAsync()
    {
        silos.ForEach(silo => silo.Start());
        foreach (var silo in silos)
        {
            await silo.ReadyAsync();
        }
    }

    /// <summary>A folder for a pod.</summary>
    public string Pod(string name) => Directory.CreateDirectory(Path.Combine(Root, "pods", name)).FullName;

    /// <summary>A disk of random bytes in a folder of sources.</summary>
    public (string Folder, string Sha256) MakeDisk(string name, int mebibytes)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Root, "sources")).FullName;
        var bytes = new byte[mebibytes << 20];
        new Random(mebibytes).NextBytes(bytes);
        File.WriteAllBytes(Path.Combine(folder, name), bytes);
        return (folder, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }
}

/// <summary>One silo of a cluster.</summary>
internal sealed class Silo(string root, string database, IReadOnlyList<string> membership, params IReadOnlyList<string> more) : IAsyncDisposable
{
    private ImgmtProcess? process;

    public string Data => Path.Combine(root, "data");

    /// <summary>What it has asked for and staged, in all its lives.</summary>
    public string TracePath => root + ".trace";

    public string Trust => Path.Combine(root, "trust");

    public ImgmtProcess Process => process ?? throw new InvalidOperationException("not started");

    public Uri Url
    {
        get
        {
            using var note = JsonDocument.Parse(File.ReadAllText(Path.Combine(Data, "endpoint.json")));
            return new Uri(note.RootElement.GetProperty("url").GetString()!);
        }
    }

    public void Start()
    {
        string[] settings =
        [
            $"Cluster:ConnectionString={database}", .. membership, .. more.Any(setting => setting.StartsWith("ImageMgmt:TransferTrace=", StringComparison.Ordinal)) ? [] : new[] { $"ImageMgmt:TransferTrace={TracePath}" },
            $"Trust:Authority={Path.Combine(Trust, "ca.crt")}", $"Trust:Certificate={Path.Combine(Trust, "silo.crt")}", $"Trust:Key={Path.Combine(Trust, "silo.key")}", .. more,
        ];
        process = ImgmtProcess.Start(["serve", "--data", Data, .. settings.SelectMany(setting => new[] { "--set", setting })]);
    }

    public ImageMgmtHttpClient Client(string token) => ImageMgmtHttpClient.Create(Url, token);

    public Task ReadyAsync() => Process.LineAsync("imgmt is ready");

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            await process.DisposeAsync();
        }
    }
}
