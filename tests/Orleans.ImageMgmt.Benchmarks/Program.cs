using Orleans.ImageMgmt.Benchmarks.FirstCopy;

return args switch
{
    ["first-copy", .. var rest] => await FirstCopyBenchmark.RunAsync(rest),
    ["first-copy-child", .. var rest] => await CopyChild.RunAsync(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("first-copy [--image PATH] [--rounds 5] [--targets 1,4,8] [--folder DIR] [--write]");
    return 2;
}
