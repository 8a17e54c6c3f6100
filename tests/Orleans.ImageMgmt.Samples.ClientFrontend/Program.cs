// A frontend that calls ImageMgmt as an Orleans client: lists the pods, imports a disk, publishes it to all pods, and prints the receipts.
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

if (args is not [var gateway, var certificates, var imageName, var sourcePod, var source])
{
    Console.Error.WriteLine("usage: ClientFrontend HOST:PORT CERTIFICATES IMAGE POD SOURCE");
    return 2;
}

var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
builder.AddImageMgmtClient(options =>
{
    options.Gateways.Add(gateway);
    options.CertificateFile = Path.Combine(certificates, "client.crt");
    options.KeyFile = Path.Combine(certificates, "client.key");
    options.AuthorityFile = Path.Combine(certificates, "ca.crt");
});
using var host = builder.Build();
await host.StartAsync();
var client = host.Services.GetRequiredService<ImageMgmtClient>();
try
{
    await foreach (var pod in client.ListPodsAsync())
    {
        Console.WriteLine($"pod {pod.Name}: {pod.State}, {pod.Family}");
    }

    var version = new VersionId(new ImageName(imageName), VersionName.First);
    await client.ImportImageAsync(version.Image, new PodName(sourcePod), source, "Imported by the sample frontend", "sample");
    await foreach (var view in client.WatchImportAsync(version))
    {
        if (view.Version.ImportState.IsEnded())
        {
            Console.WriteLine($"import {version}: {view.Version.Status} {view.Version.Fault}".TrimEnd());
            if (view.Version.ImportState != OperationState.Succeeded)
            {
                return 1;
            }
        }
    }

    return await Publishing.ToAllAsync(client, version) ? 0 : 1;
}
catch (RefusedException refused)
{
    Console.Error.WriteLine($"refused: {refused.Refusal}");
    return 1;
}
catch (ServiceUnavailableException away)
{
    Console.Error.WriteLine($"{away.Message} {away.Hint}");
    return 3;
}
finally
{
    await host.StopAsync();
}
