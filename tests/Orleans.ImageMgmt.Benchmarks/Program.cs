using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Benchmarks.NetworkPath;

return args switch
{
    ["first-copy", .. var rest] => await FirstCopyBenchmark.RunAsync(rest),
    ["first-copy-child", .. var rest] => await CopyChild.RunAsync(rest),
    ["network-path", .. var rest] => await NetworkBenchmark.RunAsync(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("first-copy [--image PATH] [--rounds 5] [--targets 1,4,8] [--folder DIR] [--write]");
    Console.Error.WriteLine("network-path [--mebibytes 512] [--rounds 3] [--imgmt PATH of imgmt.dll]");
    return 2;
}
