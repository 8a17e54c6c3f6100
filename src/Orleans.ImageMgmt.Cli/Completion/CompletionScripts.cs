namespace Orleans.ImageMgmt.Cli;

/// <summary>One small script per shell; all of them ask <c>imgctl __complete</c>, so that what is completed is decided in one place.</summary>
internal static class CompletionScripts
{
    public static IReadOnlyList<string> Shells { get; } = ["bash", "zsh", "fish", "pwsh"];

    public static string? Of(string shell) => shell switch
    {
        "bash" => Bash,
        "zsh" => Zsh,
        "fish" => Fish,
        "pwsh" or "powershell" => Pwsh,
        _ => null,
    };

    private const string Bash = """
        # imgctl completion for bash
        _imgctl() {
            local line
            local word="${COMP_WORDS[COMP_CWORD]}"
            COMPREPLY=()
            while IFS= read -r line; do
                line="${line%%$'\t'*}"
                [[ -n "$line" ]] && COMPREPLY+=("$(printf '%q' "$line")")
            done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$word" 2>/dev/null)
            if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
                case "${COMP_WORDS[COMP_CWORD-1]}" in
                    upload|--token-file|--ca-file|--token-from|--ca|--file|-f) compopt -o default 2>/dev/null ;;
                esac
            fi
        }
        complete -F _imgctl imgctl

        """;

    private const string Zsh = """
        #compdef imgctl
        # imgctl completion for zsh
        _imgctl() {
            local line text about
            local -a texts shown
            while IFS= read -r line; do
                text="${line%%$'\t'*}"
                about="${line#*$'\t'}"
                [[ -z "$text" ]] && continue
                texts+=("$text")
                if [[ "$line" == *$'\t'* ]]; then shown+=("$text  -- $about"); else shown+=("$text"); fi
            done < <("${words[1]}" __complete "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)
            if (( ${#texts} )); then
                compadd -l -d shown -a texts
            else
                _files
            fi
        }
        if [[ "${funcstack[1]}" == "_imgctl" ]]; then
            _imgctl "$@"
        else
            compdef _imgctl imgctl
        fi

        """;

    private const string Fish = """
        # imgctl completion for fish
        function __imgctl_complete
            set -l words (commandline --tokenize --cut-at-cursor --current-process)
            set -l word (commandline --current-token --cut-at-cursor)
            $words[1] __complete $words[2..-1] "$word" 2>/dev/null
        end
        complete --command imgctl --no-files --arguments '(__imgctl_complete)'
        complete --command imgctl --condition '__fish_seen_subcommand_from upload' --force-files

        """;

    private const string Pwsh = """
        # imgctl completion for PowerShell
        Register-ArgumentCompleter -Native -CommandName imgctl -ScriptBlock {
            param($wordToComplete, $commandAst, $cursorPosition)
            $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition -or ($wordToComplete -eq '' -and $_.Extent.EndOffset -le $cursorPosition) } | ForEach-Object { if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.ToString() } })
            $before = @($words | Select-Object -Skip 1)
            & $words[0] __complete @before "$wordToComplete" 2>$null | ForEach-Object {
                $text, $about = $_ -split "`t", 2
                if (-not $about) { $about = $text }
                [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $about)
            }
        }

        """;
}
