using Orleans.ImageMgmt.Benchmarks.Caps;
using Orleans.ImageMgmt.Benchmarks.Delta;
using Orleans.ImageMgmt.Benchmarks.FanOutSites;
using Orleans.ImageMgmt.Benchmarks.FirstCopy;
using Orleans.ImageMgmt.Benchmarks.NetworkPath;
using Orleans.ImageMgmt.Benchmarks.Resume;
using Orleans.ImageMgmt.Benchmarks.Scale;

return args switch
{
    ["first-copy", .. var rest] => await FirstCopyBenchmark.RunAsync(rest),
    ["first-copy-child", .. var rest] => await CopyChild.RunAsync(rest),
    ["network-path", .. var rest] => await NetworkBenchmark.RunAsync(rest),
    ["fan-out-sites", .. var rest] => await SitesBenchmark.RunAsync(rest),
    ["delta-sites", .. var rest] => await DeltaSitesBenchmark.RunAsync(rest),
    ["delta", .. var rest] => await DeltaBenchmark.RunAsync(rest),
    ["delta-child", .. var rest] => await DeltaChild.RunAsync(rest),
    ["delta-shell", var script] => ShellRun.Child(script),
    ["cuts", .. var rest] => await CutsBenchmark.RunAsync(rest),
    ["fan-out", .. var rest] => await FanOutBenchmark.RunAsync(rest),
    ["lists", .. var rest] => await ListsBenchmark.RunAsync(rest),
    ["caps", .. var rest] => await CapsBenchmark.RunAsync(rest),
    ["fan-out-child", .. var rest] => await FanOutChild.RunAsync(rest),
    ["memory-child", .. var rest] => await MemoryChild.RunAsync(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("first-copy [--image PATH] [--rounds 5] [--targets 1,4,8] [--folder DIR] [--write]");
    Console.Error.WriteLine("network-path [--mebibytes 512] [--rounds 3] [--imgmt PATH of imgmt.dll]");
    Console.Error.WriteLine("fan-out-sites [--pods 16] [--mebibytes 128] [--megabits 100] [--rounds 1] [--warm 3] [--no-star] [--imgmt PATH of imgmt.dll] [--set KEY=VALUE] [--write] (root, iproute2)");
    Console.Error.WriteLine("delta-sites --images DIR [--pods 1] [--megabits 200] [--versions 1.0,1.0p,1.1,1.0c] [--imgmt PATH of imgmt.dll] [--set KEY=VALUE] (root, iproute2)");
    Console.Error.WriteLine("delta --images DIR [--rounds 3] [--versions 1.0p,1.1,1.0c] [--only 0123456789] [--folder DIR] [--write]");
    Console.Error.WriteLine("fan-out [--pods 100,1000,10000] [--stores memory,sqlite,postgres] [--adonet FOLDER] [--transfers 4096] [--folder DIR] [--write]");
    Console.Error.WriteLine("lists [--images 2000] [--versions 50] [--pods 5000] [--calls 1000] [--stores sqlite,postgres] [--folder DIR] [--write]");
    Console.Error.WriteLine("cuts [--folder DIR] [--write]");
    Console.Error.WriteLine("caps [--folder DIR] [--write]");
    return 2;
}
