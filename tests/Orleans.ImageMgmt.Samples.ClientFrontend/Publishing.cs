using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

/// <summary>Publishes to all pods, shows how it goes, and prints what each pod proved.</summary>
internal static class Publishing
{
    public static async Task<bool> ToAllAsync(ImageMgmtClient client, VersionId version)
    {
        var operation = await client.PublishToAllAsync(version, "sample");
        PublishView? last = null;
        await foreach (var view in client.WatchPublishAsync(operation))
        {
            var totals = view.Publish.Totals;
            var sent = view.Targets.Sum(target => target.Progress?.BytesSent ?? target.Receipt?.BytesSent ?? 0);
            if (totals != last?.Publish.Totals)
            {
                Console.WriteLine($"publish {version}: {totals.Available} of {totals.All} available, {totals.Failed} failed, {sent} bytes sent");
            }

            last = view;
        }

        foreach (var target in last!.Targets)
        {
            Console.WriteLine(target.Receipt is { } receipt
                ? $"receipt {target.Pod}: {receipt.ContentDigest} read back at {receipt.VerifiedAt:u}"
                : $"no receipt {target.Pod}: {target.Fault}");
        }

        return last.Publish.State == OperationState.Succeeded;
    }
}
