using System.CommandLine;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Shell completion: prints the script of a shell, and answers the question that the scripts ask.</summary>
internal static class CompletionCommand
{
    /// <summary><c>imgctl __complete WORD ...</c>: the words behind <c>imgctl</c>, the last one as far as it is typed.</summary>
    public const string Hidden = "__complete";

    public static Command Create(Wiring wiring)
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh, fish or pwsh." };
        shell.CompletionSources.Add([.. CompletionScripts.Shells]);
        return wiring.Verb("completion", "Prints the completion script of a shell. It completes commands, options and the names of images, versions, pods and operations.",
            [
                "imgctl completion bash > ~/.local/share/bash-completion/completions/imgctl",
                "imgctl completion zsh > \"${fpath[1]}/_imgctl\"",
                "imgctl completion fish > ~/.config/fish/completions/imgctl.fish",
                "imgctl completion pwsh | Out-String | Invoke-Expression",
            ],
            async (run, _) =>
            {
                var script = CompletionScripts.Of(run.Get(shell)) ?? throw CliProblem.Usage($"There is no completion for '{Plain.Line(run.Get(shell))}'.", $"There is for {string.Join(", ", CompletionScripts.Shells)}.");
                await run.Screen.Out.WriteAsync(script);
                return ExitCodes.Well;
            }, shell);
    }

    /// <summary>One candidate per line, a tab, and what it is. Never an error: whoever pressed the key sees no messages.</summary>
    public static async Task<int> AnswerAsync(Wiring wiring, RootCommand root, string[] words, Screen screen)
    {
        var (before, word) = words is [.. var complete, var last] ? (complete, last) : ([], "");
        foreach (var suggestion in await new Suggestions(wiring, root).AtAsync(before, word))
        {
            await screen.Out.WriteLineAsync(suggestion.About.Length == 0 ? suggestion.Text : $"{suggestion.Text}\t{Plain.Line(suggestion.About)}");
        }

        return ExitCodes.Well;
    }
}
