#!/usr/bin/env bash
# Builds everything once, runs every test project and some hundred seeds of the simulation; the last line is the totals.
# Works from any folder and in a fresh clone. SEEDS=n changes the number of seeds that are the same every time, ONLY=text runs the steps whose names contain it,
# LONG=1 runs what takes minutes too (tests with the trait run=long).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly configuration=Release
readonly seeds="${SEEDS:-300}"
readonly drawn_seeds=700 # others for each commit
readonly build_limit=900 # seconds, each
readonly project_limit=1200
readonly apt_limit=180
readonly tools_limit=300
readonly logs=artifacts/test-logs
readonly solution=Orleans.ImageMgmt.sln
long=(-trait- run=long)
[[ -z ${LONG:-} ]] || long=()
readonly long

# The machine's administration tools are in the sbin folders, which are not in everyone's path.
export PATH="$PATH:/usr/sbin:/sbin" DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1

# Most of the processes that the tests start live for seconds: measuring their code for later costs more than it gives.
export DOTNET_TieredPGO=0

passed=0 failed=0 skipped=0 child=

stop() {
  [[ -n $child ]] && kill "$child" 2>/dev/null
  exit 130
}
trap stop INT TERM

# limited SECONDS LOG COMMAND...: runs it with a time limit and its output in LOG.
limited() {
  local limit=$1 log=$2
  shift 2
  timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
  child=$!
  wait "$child"
  local code=$?
  child=
  return "$code"
}

need_sdk() {
  local found
  if ! found=$(dotnet --version 2>/dev/null) || [[ $found != 10.* ]]; then
    echo "The tests need the .NET 10 SDK (10.0.100 or newer): install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this command again." >&2
    exit 2
  fi
}

need_packages() {
  local package program missing=() admin=()
  while read -r package program; do
    [[ -z $package || $package == \#* ]] && continue
    command -v "$program" >/dev/null || missing+=("$package")
  done <eng/apt-packages.txt
  ((${#missing[@]} == 0)) && return

  ((EUID == 0)) || admin=(sudo -n)
  if command -v apt-get >/dev/null && { ((EUID == 0)) || sudo -n true 2>/dev/null; }; then
    echo "installing ${missing[*]} for the tests"
    limited "$apt_limit" "$logs/apt.log" "${admin[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
      limited "$apt_limit" "$logs/apt.log" "${admin[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" &&
      return
    tail -n 3 "$logs/apt.log" >&2
  fi
  echo "The tests need ${missing[*]}: run \`sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}\` and then this command again." >&2
  exit 2
}

# PowerShell, in which one test presses the tab key, is a tool of .NET: its version stands in .config/dotnet-tools.json.
need_tools() {
  limited "$tools_limit" "$logs/tools.log" dotnet tool restore && return
  tail -n 3 "$logs/tools.log" >&2
  echo "The tests need the tools of .config/dotnet-tools.json: run \`dotnet tool restore\` where the package registry can be reached, and then this command again." >&2
  exit 2
}

build() {
  local began=$SECONDS
  if ! limited "$build_limit" "$logs/build.log" dotnet build "$solution" -c "$configuration" -v q -clp:NoSummary; then
    grep -E 'error|warn' "$logs/build.log" | sort -u | head -n 40
    tail -n 5 "$logs/build.log"
    echo "the build failed, see $logs/build.log"
    echo "0 passed, 1 failed"
    exit 1
  fi
  printf '%-44s %5d s\n' "build ($configuration)" $((SECONDS - began))
}

# report NAME SECONDS PASSED FAILED SKIPPED LOG: prints the line and adds to the totals.
report() {
  printf '%-44s %5d s  %d passed, %d failed, %d skipped\n' "$1" "$2" "$3" "$4" "$5"
  passed=$((passed + $3)) failed=$((failed + $4)) skipped=$((skipped + $5))
  if (($4 > 0)); then
    sed 's/^/    /' "$6" | tail -n 120
  fi
}

run_project() {
  local name=$1 log="$logs/$1.log" began=$SECONDS code=0 summary total=0 bad=0 left=0
  limited "$project_limit" "$log" "artifacts/bin/$name/${configuration,,}/$name" -noColor "${long[@]}" || code=$?
  summary=$(grep -oE 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+, Skipped: [0-9]+, Not Run: [0-9]+' "$log" | tail -n 1)
  if [[ $summary =~ Total:\ ([0-9]+),\ Errors:\ ([0-9]+),\ Failed:\ ([0-9]+),\ Skipped:\ ([0-9]+),\ Not\ Run:\ ([0-9]+) ]]; then
    total=${BASH_REMATCH[1]} bad=$((BASH_REMATCH[2] + BASH_REMATCH[3])) left=$((BASH_REMATCH[4] + BASH_REMATCH[5]))
  fi

  if ((code == 124 || code == 137)); then
    echo "$name was stopped after $((SECONDS - began)) s (limit $project_limit s)" >>"$log"
  fi

  # No summary, no tests, or an exit code that the summary does not explain: something is broken, and that counts.
  if ((bad == 0)) && { ((code != 0)) || ((total == 0)); }; then
    echo "$name ended with exit code $code after $total tests" >>"$log"
    bad=1 total=$((total + 1))
  fi
  local good=$((total - bad - left))
  report "$name" $((SECONDS - began)) $((good < 0 ? 0 : good)) "$bad" "$left" "$log"
}

# The commit draws the first seed, so that a commit always meets the same worlds and no two the same ones. What fails is replayed by its number.
run_simulations() {
  local commit
  commit=$(git rev-parse --short=6 HEAD 2>/dev/null) || commit=0
  run_simulation "$seeds" 1 simulation
  run_simulation "$drawn_seeds" $((1001 + 16#$commit % 1000000)) simulation-drawn
}

run_simulation() {
  local name=Orleans.ImageMgmt.Simulation count=$1 first=$2 began=$SECONDS log="$logs/$3.log" bad=0
  [[ -f tests/$name/Program.cs ]] || return
  limited "$project_limit" "$log" "artifacts/bin/$name/${configuration,,}/$name" --seeds "$count" --start "$first" || bad=1
  report "simulation, $count seeds from $first" $((SECONDS - began)) $((1 - bad)) "$bad" 0 "$log"
}

has_code() {
  [[ -n $(find "$1" -name '*.cs' -not -path '*/obj/*' -not -path '*/bin/*' -print -quit) ]]
}

mkdir -p "$logs"
need_sdk
need_packages
need_tools
build
for folder in tests/*.Tests; do
  name=${folder#tests/}
  [[ $name == *"${ONLY:-}"* ]] || continue
  if has_code "$folder"; then
    run_project "$name"
  else
    printf '%-44s no tests in it yet\n' "$name"
  fi
done
[[ Simulation != *"${ONLY:-}"* ]] || run_simulations

# A token is a secret wherever it is printed: the logs of the whole run are searched for one.
no_token_in_logs() {
  local found log="$logs/secrets.log"
  found=$(grep -rlE 'imgmt_[A-Za-z0-9_-]{40,}' --include='*.log' "$logs" | grep -v '/secrets.log$' || true)
  printf '%s\n' "a token stands in: ${found:-none}" >"$log"
  report 'no token in the logs of the run' 0 $([[ -z $found ]] && echo 1 || echo 0) $([[ -z $found ]] && echo 0 || echo 1) 0 "$log"
}
[[ -n ${ONLY:-} ]] || no_token_in_logs

if ((passed + failed == 0)); then
  echo "not one test ran"
  failed=1
fi

totals="$passed passed, $failed failed"
((skipped == 0)) || totals+=", $skipped skipped"
echo "$totals"
((failed == 0))
