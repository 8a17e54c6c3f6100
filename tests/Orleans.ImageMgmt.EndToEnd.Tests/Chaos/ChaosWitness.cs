using Orleans.ImageMgmt.Api;

namespace Orleans.ImageMgmt.EndToEnd.Tests;

/// <summary>Looks, while everything is being killed, whether what the service says of a copy is so: one that is reported with a receipt has to lie there whole.</summary>
internal sealed class ChaosWitness(ChaosEstate estate, ChaosDoors doors, ChaosBook book, int seed)
{
    private readonly Random random = new(seed);

    public int Looks { get; private set; }

    public int Asks { get; private set; }

    public List<string> Lies { get; } = [];

    public async Task RunAsync(CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var candidates = book.All.Where(a => a is { Kind: OperationKind.Publish, IsAccepted: true } && !book.IsDoomed(a.Image, a.Version!)).ToList();
            if (candidates.Count > 0)
            {
                var chosen = candidates[random.Next(candidates.Count)];
                await LookAsync(chosen.Image, chosen.Version!);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, CancellationToken.None);
        }
    }

    private async Task LookAsync(string image, string version)
    {
        Asks++;
        var answer = await doors.AskAsync((client, stop) => client.ListReceiptsAsync(image, version, cancellationToken: stop));
        foreach (var receipt in answer.Value?.Items ?? [])
        {
            Looks++;
            var expected = estate.DigestOf(book.SourceOf(image, version)!);
            var found = ChaosAudit.DigestOf(estate.FileOf(receipt.Pod, image, version));

            // A delete that was asked meanwhile may have been quicker than this look.
            if ((found != expected || receipt.ContentDigest != $"sha256:{expected}") && !book.IsDoomed(image, version))
            {
                Lies.Add($"{image}/{version} on pod {receipt.Pod} is reported available as {receipt.ContentDigest}; on disk lies {found ?? "nothing"}, and it should be {expected}");
            }
        }
    }
}
