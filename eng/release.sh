#!/usr/bin/env bash
# Makes the release archive: imgmt and imgctl with their own runtime (no SDK and no .NET is needed where they run), the reference of all options,
# the systemd unit, notices and an installer.   usage: eng/release.sh [OUTPUT-FOLDER]     (default: artifacts/release)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly output=$(realpath -m "${1:-artifacts/release}")
readonly rid=linux-x64
readonly version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
readonly name="imgmt-$version-$rid"
readonly publish_limit=900 # seconds, each

work=$(mktemp -d "${TMPDIR:-/tmp}/imgmt-release-XXXXXX")
trap 'rm -rf "$work"' EXIT

# A copy of the sources: the restore for one platform writes lock files that are not those of the repository.
mkdir -p "$work/source" "$work/$name"
cp -r global.json Directory.Build.props Directory.Packages.props .editorconfig README.md LICENSE eng silo-config src "$work/source/"

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1
publish() {
  # Not trimmed: Orleans and System.Text.Json find types by reflection. ReadyToRun: a start needs no compiler for what the framework brings.
  timeout "$publish_limit" dotnet publish "$work/source/src/$1/$1.csproj" --configuration Release --runtime "$rid" --self-contained true \
    --output "$work/$name" -v q -clp:NoSummary -p:RestoreLockedMode=false -p:RunAnalyzers=false -p:DebugType=none -p:GenerateDocumentationFile=false \
    -p:PublishReadyToRun="${READY_TO_RUN:-true}" -p:PublishTrimmed=false -p:ContinuousIntegrationBuild=true ${SOURCE_COMMIT:+-p:SourceRevisionId=$SOURCE_COMMIT}
}
SOURCE_COMMIT=${SOURCE_COMMIT:-$(git rev-parse --short=12 HEAD 2>/dev/null || true)}
publish Orleans.ImageMgmt.Host
publish Orleans.ImageMgmt.Cli

cp LICENSE README.md eng/install.sh "$work/$name/"
cp -r silo-config "$work/$name/"
mkdir -p "$work/$name/systemd"
cp eng/systemd/imgmt.service "$work/$name/systemd/"

# Whose work is inside: name, version and licence of every package that the two programs were restored with.
{
  echo "ImageMgmt contains the following packages. Their licences are those named here; the texts are in the packages themselves."
  echo "The .NET runtime and ASP.NET Core are by the .NET Foundation and contributors (MIT)."
  echo
  packages=${NUGET_PACKAGES:-$HOME/.nuget/packages}
  cat "$work"/source/src/*/packages.lock.json | tr -d ' ",' | awk -F: '
    /^[A-Za-z0-9._-]+:\{$/ { name = $1 } /^type:/ { type = $2 } /^resolved:/ { if (type != "Project") print name, $2 }' | sort -fu |
    while read -r package resolved; do
      lower=$(tr '[:upper:]' '[:lower:]' <<<"$package")
      spec="$packages/$lower/$resolved/$lower.nuspec"
      [[ -f $spec ]] || continue
      licence=$(sed -n 's:.*<license type="expression">\([^<]*\)</license>.*:\1:p; s:.*<licenseUrl>\([^<]*\)</licenseUrl>.*:\1:p' "$spec" | head -n 1)
      printf '%s %s  %s\n' "$package" "$resolved" "${licence:-see the package}"
    done
} >"$work/$name/THIRD-PARTY-NOTICES.txt"

(cd "$work/$name" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS)

mkdir -p "$output"
tar --create --gzip --file "$output/$name.tar.gz" --directory "$work" --owner=0 --group=0 --numeric-owner --sort=name --mode='u=rwX,go=rX' "$name"
(cd "$output" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$output/$name.tar.gz"
