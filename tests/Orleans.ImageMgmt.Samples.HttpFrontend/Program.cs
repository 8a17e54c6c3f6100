// A frontend that calls ImageMgmt over HTTP: lists the pods, imports a disk, publishes it to all pods, and prints the receipts.
using Orleans.ImageMgmt.Api;

if (args is not [var server, var tokenFile, var image, var sourcePod, var source])
{
    Console.Error.WriteLine("usage: HttpFrontend URL TOKENFILE IMAGE POD SOURCE");
    return 2;
}

using var client = ImageMgmtHttpClient.Create(new Uri(server), (await File.ReadAllTextAsync(tokenFile)).Trim());
try
{
    await foreach (var pod in client.AllPodsAsync())
    {
        Console.WriteLine($"pod {pod.Name}: {pod.State}, {pod.Family}");
    }

    var request = new ImportRequest { Pod = sourcePod, Source = source, Description = "Imported by the sample frontend", Reason = "sample" };
    var import = await WatchAsync(await client.ImportAsync(image, request));
    if (import.State != OperationState.Succeeded)
    {
        Console.Error.WriteLine($"import {import.State}: {import.Fault?.Detail} {import.Fault?.NextStep}");
        return 1;
    }

    var version = import.Version!;
    var publish = await WatchAsync(await client.PublishAsync(image, version));
    await foreach (var receipt in client.AllReceiptsAsync(image, version))
    {
        Console.WriteLine($"receipt {receipt.Pod}: {receipt.ContentDigest} read back at {receipt.VerifiedAt:u}");
    }

    return publish.State == OperationState.Succeeded ? 0 : 1;
}
catch (ProblemException refused)
{
    Console.Error.WriteLine($"refused: {refused.Message} {refused.Hint}");
    return 1;
}
catch (Exception away) when (away is HttpRequestException or TimeoutException)
{
    Console.Error.WriteLine($"no answer from {server}: {away.Message}");
    return 3;
}

async Task<OperationResource> WatchAsync(OperationResource operation)
{
    await foreach (var change in client.WatchOperationAsync(operation.Id))
    {
        if (change.Operation is { } now)
        {
            Console.WriteLine($"{now.Kind} {now.Image} {now.Version}: {now.State}, {now.Progress?.DoneBytes ?? 0} of {now.Progress?.TotalBytes ?? 0} bytes");
        }
    }

    return await client.GetOperationAsync(operation.Id);
}
