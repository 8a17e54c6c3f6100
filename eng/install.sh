#!/usr/bin/env bash
# Installs ImageMgmt from the folder of its release archive. Running it again, from this or a newer archive, brings the installation up to date.
#   ./install.sh [--prefix DIR] [--no-service]     default: /opt/imgmt with the systemd unit and the user imgmt
#   ./install.sh --uninstall [--prefix DIR]        removes the programs and the unit; data and configuration stay
set -euo pipefail

prefix=/opt/imgmt service=yes uninstall=no
readonly unit=/etc/systemd/system/imgmt.service
readonly links=/usr/local/bin
readonly marker=.imgmt-installation

fail() {
  echo "install.sh: $*" >&2
  exit 2
}

while (($# > 0)); do
  case $1 in
    --prefix) [[ $# -gt 1 && -n $2 ]] || fail "--prefix wants a folder."; prefix=$2; shift ;;
    --prefix=?*) prefix=${1#--prefix=} ;;
    --no-service) service=no ;;
    --uninstall) uninstall=yes ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "'$1' is unknown; --help says what there is." ;;
  esac
  shift
done
prefix=$(realpath -m "$prefix")
[[ $prefix != / ]] || fail "The root of the file system is no place for a program."
# A prefix of one's own has no service: the unit names /opt/imgmt.
[[ $prefix == /opt/imgmt ]] || service=no

as_root() { ((EUID == 0)) || fail "$1 needs root: run it with sudo, or choose a folder of your own with --prefix."; }

if [[ $uninstall == yes ]]; then
  [[ -f $prefix/$marker ]] || fail "There is no ImageMgmt in $prefix."
  if [[ $prefix == /opt/imgmt && -f $unit ]]; then
    as_root "Removing the service"
    systemctl disable --now imgmt.service 2>/dev/null || true
    rm -f "$unit"
    systemctl daemon-reload 2>/dev/null || true
  fi
  for program in imgmt imgctl; do
    [[ $(readlink "$links/$program" 2>/dev/null) == "$prefix/$program" ]] && rm -f "$links/$program"
  done
  rm -rf "$prefix"
  echo "ImageMgmt is removed from $prefix. Data (/var/lib/imgmt) and configuration (/etc/imgmt) were left."
  exit 0
fi

cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"
[[ -f SHA256SUMS ]] || fail "SHA256SUMS is missing: run this from the folder of the unpacked archive."
sha256sum --check --quiet --strict SHA256SUMS || fail "The files are not those of the release: unpack the archive again, or download it again."
[[ ! -e $prefix || -f $prefix/$marker || -z $(ls -A "$prefix") ]] || fail "$prefix holds something else; choose another folder with --prefix."
[[ $service == no ]] || as_root "Installing the service"

# Beside the old one, then one rename: a program that runs keeps its files, and a cut leaves the old or the new one.
mkdir -p "$(dirname "$prefix")"
fresh=$prefix.new
rm -rf "$fresh"
mkdir -m 755 "$fresh"
trap 'rm -rf "$fresh"' EXIT
cut -c 67- SHA256SUMS | tar --create --verbatim-files-from --files-from=- | tar --extract --directory "$fresh" --no-same-owner
cp SHA256SUMS "$fresh/"
touch "$fresh/$marker"
rm -rf "$prefix.old"
[[ ! -e $prefix ]] || mv "$prefix" "$prefix.old"
mv "$fresh" "$prefix"
rm -rf "$prefix.old"

if [[ $service == yes ]]; then
  getent passwd imgmt >/dev/null || useradd --system --user-group --home-dir /var/lib/imgmt --no-create-home --shell /usr/sbin/nologin imgmt
  install -D -m 644 systemd/imgmt.service "$unit"
  for program in imgmt imgctl; do
    ln -sfn "$prefix/$program" "$links/$program"
  done
  systemctl daemon-reload 2>/dev/null || true
  echo "ImageMgmt is installed in $prefix. Start it with: systemctl enable --now imgmt"
else
  echo "ImageMgmt is installed in $prefix. Start it with: $prefix/imgmt serve"
fi
