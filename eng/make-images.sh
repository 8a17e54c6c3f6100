#!/usr/bin/env bash
# Makes the disks that the delta benchmark measures: a Debian 12 root disk as released (v1.0), the same after all upgrades (v1.0p), the same after upgrades and
# more packages (v1.1), and v1.0 with one 4 KiB block in a thousand overwritten (v1.0c). Raw, sparse, ext4, 4 GiB.
#
#   eng/make-images.sh FOLDER MIRROR SECURITY_MIRROR      both as in a sources.list; needs root, loop devices, debootstrap, python3 and 7 GB
#
# A disk that is there already is kept, so a broken run goes on where it stopped.
set -euo pipefail
folder=${1:?FOLDER} mirror=${2:?MIRROR} security=${3:?SECURITY_MIRROR}
size=${SIZE:-4G} release=bookworm
first=(linux-image-amd64 initramfs-tools systemd-sysv openssh-server cloud-init rsyslog chrony sudo nginx mariadb-server openjdk-17-jre-headless
  python3 python3-pip perl gcc make git vim less curl ca-certificates)
more=(redis-server haproxy prometheus-node-exporter php-fpm tcpdump strace jq htop)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
mkdir -p "$folder"; cd "$folder"
root=$(mktemp -d)
trap 'umount -q "$root/proc" 2>/dev/null || true; umount -q "$root" 2>/dev/null || true; rmdir "$root" 2>/dev/null || true' EXIT

enter() { # DISK
  mount -o loop,discard "$1" "$root"
}

settle() { # no daemon starts while packages are set up; names resolve
  mkdir -p "$root/proc" "$root/usr/sbin" "$root/etc"
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  [ ! -f /etc/ssl/certs/ca-certificates.crt ] || { mkdir -p "$root/etc/ssl/certs"; cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; }
}

leave() { # freed blocks become holes, as an image is handed out
  chroot "$root" apt-get clean
  rm -rf "$root"/var/lib/apt/lists/*
  umount "$root/proc"; sync -f "$root" # ext4 gives back only what its journal has let go of
  fstrim "$root"; umount "$root"
}

install() { chroot "$root" apt-get -yqq install --no-install-recommends "$@" >>install.log 2>&1; }

upgrade() {
  printf 'deb %s main\n' "$mirror $release" "$mirror $release-updates" "$security $release-security" >"$root/etc/apt/sources.list"
  chroot "$root" apt-get -qq update
  chroot "$root" apt-get -yqq upgrade --with-new-pkgs >>install.log 2>&1
}

if [ ! -f v1.0.raw ]; then
  rm -f new.raw; truncate -s "$size" new.raw
  mkfs.ext4 -q -L root -E lazy_itable_init=0,lazy_journal_init=0 new.raw
  enter new.raw
  debootstrap --variant=minbase --include=ca-certificates "$release" "$root" "$mirror" >debootstrap.log 2>&1
  settle
  echo "deb $mirror $release main" >"$root/etc/apt/sources.list"
  chroot "$root" apt-get -qq update
  install "${first[@]}"
  leave; mv new.raw v1.0.raw
fi
for version in v1.0p v1.1; do
  [ ! -f $version.raw ] || continue
  cp --sparse=always v1.0.raw new.raw
  enter new.raw; settle; upgrade
  [ $version = v1.0p ] || install "${more[@]}"
  echo "golden-$version" >"$root/etc/hostname"
  leave; mv new.raw $version.raw
done
if [ ! -f v1.0c.raw ]; then # every byte of the chosen blocks is another text, so they pack as real blocks do
  cp --sparse=always v1.0.raw new.raw
  python3 - new.raw <<'PY'
import os, random, sys
disk = os.open(sys.argv[1], os.O_RDWR)
blocks, at = [], 0
while True:
    try: data = os.lseek(disk, at, os.SEEK_DATA)
    except OSError: break
    at = os.lseek(disk, data, os.SEEK_HOLE)
    blocks += range((data + 4095) // 4096, at // 4096)
chance = random.Random(1)
words = [b"%x" % chance.getrandbits(chance.randrange(8, 40)) for _ in range(2000)]
for block in chance.sample(blocks, len(blocks) // 1000):
    os.pwrite(disk, b" ".join(chance.choice(words) for _ in range(1400))[:4096], block * 4096)
PY
  mv new.raw v1.0c.raw
fi
ls -ls ./*.raw
