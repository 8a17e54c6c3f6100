#!/usr/bin/env bash
# Writes what the packed projects show to their users into their PublicAPI.Unshipped.txt, after a change that was meant. Look at the diff before you commit it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1

for project in Domain Client Api; do
  folder=src/Orleans.ImageMgmt.$project
  declared=$folder/PublicAPI.Unshipped.txt
  said=$(dotnet build "$folder" -c Release -v q -clp:NoSummary --no-incremental -p:BuildProjectReferences="$([[ $project == Client ]] && echo true || echo false)" 2>&1 || true)
  gone=$(sed -nE "s/^.*(error|warning) RS0017: Symbol '(.*)' is part of the declared API.*$/\2/p" <<<"$said" | sort -u)
  new=$(sed -nE "s/^.*(error|warning) RS0016: Symbol '(.*)' is not part of the declared public API.*$/\2/p" <<<"$said" | sort -u)
  {
    echo '#nullable enable'
    { grep -vxF -e '#nullable enable' -e '' "$declared" | { [[ -n $gone ]] && grep -vxF "$gone" || cat; } || true; [[ -z $new ]] || echo "$new"; } | LC_ALL=C sort -f -u
  } >"$declared.new"
  mv "$declared.new" "$declared"
  printf '%-8s %d new, %d gone\n' "$project" "$(grep -c . <<<"$new" || true)" "$(grep -c . <<<"$gone" || true)"
done
