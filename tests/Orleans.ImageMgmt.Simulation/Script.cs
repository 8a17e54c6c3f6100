using System.Globalization;
using System.Text;

namespace Orleans.ImageMgmt.Simulation;

/// <summary>
/// A story as text: each line is a command to a world without chance faults; what is shown, refused or found broken is the output.
/// Commands: <c>connect pod P [slots N]</c>, <c>drain P</c>, <c>disconnect P</c>, <c>import V from FILE</c>, <c>cancel import V</c>,
/// <c>publish V to all|P,P as OP</c>, <c>pause|resume|cancel|retry OP</c>, <c>disable|enable|delete V [as OP]</c>, <c>fail P receive MOOD</c>,
/// <c>heal P</c>, <c>crash</c>, <c>advance 10s|10m</c>, <c>show copies|versions|images|publishes|pods|bytes</c>, and <c>#</c> for remarks.
/// </summary>
internal sealed class Script
{
    private static readonly ImageName image = new("win11");
    private readonly World world = new(new WorldOptions(1), Keys.Make) { FaultsOn = false };
    private readonly StringBuilder output = new();
    private readonly Dictionary<string, OperationId> imports = [];
    private PodName? source;

    internal static string Run(string story)
    {
        var script = new Script();
        foreach (var line in story.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0))
        {
            script.output.Append("> ").Append(line).Append('\n');
            if (!line.StartsWith('#'))
            {
                script.Do(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            }
        }

        return script.output.ToString();
    }

    private void Do(string[] words)
    {
        switch (words)
        {
            case ["connect", "pod", var pod, .. var rest]:
                Connect(new PodName(pod), rest is ["slots", var slots] ? int.Parse(slots, CultureInfo.InvariantCulture) : 2);
                break;
            case ["drain", var pod]:
                Ask<PodNode>(Keys.Pod(new PodName(pod)), (n, a) => n.Ask(new PodCommand.Drain(), a));
                break;
            case ["disconnect", var pod]:
                Ask<PodNode>(Keys.Pod(new PodName(pod)), (n, a) => n.Ask(new PodCommand.Disconnect(0), a));
                break;
            case ["fail", var pod, "receive", var mood]:
                world.Connectors[pod].Mood = Enum.Parse<Mood>(mood.Replace("-", "", StringComparison.Ordinal), ignoreCase: true);
                break;
            case ["heal", var pod]:
                world.Connectors[pod].Mood = Mood.Well;
                break;
            case ["crash"]:
                world.Crash(world.SiloOf(Keys.Image(image)));
                break;
            case ["advance", var time]:
                world.RunUntil(world.Now + (int.Parse(time[..^1], CultureInfo.InvariantCulture) * (time[^1] == 'm' ? TimeSpan.FromMinutes(1) : TimeSpan.FromSeconds(1))));
                break;
            case ["show", var what]:
                Show(what);
                break;
            default:
                DoCatalog(words);
                break;
        }
    }

    private void DoCatalog(string[] words)
    {
        switch (words)
        {
            case ["import", var version, "from", var file]:
                Import(version, file);
                break;
            case ["cancel", "import", var version]:
                Ask<VersionNode>(KeyOf(version), (n, a) => n.CancelImport(imports[version], a));
                break;
            case ["publish", var version, "to", var pods, "as", var operation]:
                Publish(version, pods, new OperationId(operation));
                break;
            case ["retry", var operation]:
                Ask<PublishNode>(Keys.Publish(new OperationId(operation)), (n, a) => n.AskRetry(a));
                break;
            case ["pause" or "resume" or "cancel", var operation]:
                PublishCommand command = words[0] switch { "pause" => new PublishCommand.Pause(), "resume" => new PublishCommand.Resume(), _ => new PublishCommand.Cancel() };
                Ask<PublishNode>(Keys.Publish(new OperationId(operation)), (n, a) => n.Ask(command, a));
                break;
            case ["disable", var version]:
                Ask<VersionNode>(KeyOf(version), (n, a) => n.Ask(new VersionCommand.Disable(), a));
                break;
            case ["enable", var version]:
                Ask<VersionNode>(KeyOf(version), (n, a) => n.Ask(new VersionCommand.Enable(), a));
                break;
            case ["delete", var version, "as", var operation]:
                Ask<VersionNode>(KeyOf(version), (n, a) => n.Ask(new VersionCommand.BeginDelete(new OperationId(operation)), a));
                break;
            default:
                throw new NotSupportedException($"No such command: {string.Join(' ', words)}");
        }
    }

    private static string KeyOf(string version) => Keys.Version(new VersionId(image, new VersionName(version)));

    private void Connect(PodName pod, int slots)
    {
        if (!world.Connectors.ContainsKey(pod.Value))
        {
            Simulator.AddPod(world, pod);
        }

        source ??= pod;
        var spec = new PodSpec(pod, "filesystem", new Dictionary<string, string>(), new Dictionary<string, string>(), slots);
        Ask<PodNode>(Keys.Pod(pod), (n, a) => n.Ask(new PodCommand.Connect(spec), a));
    }

    private void Import(string version, string file)
    {
        imports[version] = new OperationId($"import-{version.Replace('.', '-')}-{imports.Count}");
        var command = new ImageCommand.Import(imports[version], new VersionName(version), null, "filesystem", source!.Value, new SourceRef(file), "", Client.By);
        Ask<ImageNode>(Keys.Image(image), (n, a) => n.Ask(command, a));
    }

    private void Publish(string version, string pods, OperationId operation)
    {
        PodName[] targets = pods == "all"
            ? [.. world.Store.Of<Pod>().Where(p => p.State == PodState.Connected && p.Name != source).Select(p => p.Name).OrderBy(p => p.Value, StringComparer.Ordinal)]
            : [.. pods.Split(',').Select(p => new PodName(p))];
        Ask<VersionNode>(KeyOf(version), (n, a) => n.AskPublish(new VersionCommand.BeginPublish(operation, targets), a));
    }

    /// <summary>Asks and waits a second for the answer.</summary>
    private void Ask<TNode>(string key, Action<TNode, Answer> ask) where TNode : Node
    {
        Refusal? refused = null;
        world.Send<TNode>(null, key, "ask", n => ask(n, refusal => refused = refusal));
        world.RunUntil(world.Now + TimeSpan.FromSeconds(1));
        if (refused is not null)
        {
            output.Append("  refused: ").Append(refused).Append('\n');
        }
    }

    private void Show(string what)
    {
        var lines = what switch
        {
            "copies" => world.Store.Of<Copy>().Select(c => $"{c.Version,-10} {c.Pod,-8} {c.Role,-6} {Words.Shown(c.State),-13} {c.Fault?.Code} {(c.WantedBy.Count > 0 && c.IsMoving ? $"for {string.Join(" ", c.WantedBy)}" : "")}"),
            "versions" => world.Store.Of<Version>().Select(v => $"{v.Id,-10} {Words.Shown(v.Status),-20} {(v.IsUsable ? "usable" : "not usable"),-10} {v.Fault?.Code}"),
            "images" => world.Store.Of<Image>().Select(i => $"{i.Name,-10} {Words.Shown(i.Status)}"),
            "publishes" => world.Store.Of<Publish>().Select(p => $"{p.Operation,-10} {Words.Shown(p.State),-20} {p.Totals.Available} of {p.Totals.All} available, {p.Totals.Failed} failed, {p.Totals.Cancelled} cancelled"),
            "pods" => world.Store.Of<Pod>().Select(p => $"{p.Name,-8} {Words.Shown(p.State)}"),
            "bytes" => world.Connectors.Select(c => $"{c.Key,-8} final {string.Join(" ", c.Value.Finals.Keys)}; staged {string.Join(" ", c.Value.Staged.Keys)}; {c.Value.ChunksRequested} chunks came"),
            _ => throw new NotSupportedException($"Nothing to show: {what}"),
        };
        foreach (var line in lines.Order(StringComparer.Ordinal))
        {
            output.Append("  ").Append(line.TrimEnd()).Append('\n');
        }
    }
}
