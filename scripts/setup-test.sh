#!/bin/sh
# Installs what some tests need from the system (Debian). Never fails: a test that lacks something says so and skips.
packages='rsync attr acl libcap2-bin e2fsprogs strace python3 python3-cryptography python3-argon2 python3-zstandard faketime slapd ldap-utils btrfs-progs xfsprogs lvm2 thin-provisioning-tools user-mode-linux kmod'

if [ "$(id -u)" != 0 ]; then
  echo 'setup:test: not root, so nothing is installed'
elif ! command -v apt-get >/dev/null; then
  echo 'setup:test: there is no apt-get, so nothing is installed'
else
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || echo 'setup:test: apt-get update failed; trying with the lists that are here'
  # One by one after a failure, so that one missing package does not take the others with it.
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $packages >/dev/null || for package in $packages; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "setup:test: $package was not installed"
  done
fi

# What is still missing, and what that means. The system's own Python is asked for by its path: its packages are not in any other.
need() {
  what=$1
  skipped=$2
  shift 2
  "$@" >/dev/null 2>&1 || echo "setup:test: $what is missing; will skip: $skipped"
}
need rsync 'comparing restored trees with their source' command -v rsync
need attr 'comparing extended attributes from outside' command -v getfattr
need acl 'ACLs' command -v setfacl
need libcap2-bin 'file capabilities' command -v setcap
need e2fsprogs 'inode flags' command -v chattr
need strace 'proofs by system calls' command -v strace
need 'Python with cryptography, argon2 and zstandard' 'the independent reader of the format' /usr/bin/python3 -c 'import cryptography, argon2, zstandard'
need faketime 'credentials that have expired' command -v faketime
need slapd 'signing in with a directory' test -x /usr/sbin/slapd
need btrfs-progs 'snapshots of btrfs subvolumes' command -v mkfs.btrfs
need xfsprogs 'clones of images on XFS' command -v mkfs.xfs
need 'lvm2 with user-mode-linux' 'snapshots of logical volumes' sh -c 'command -v lvcreate && command -v linux.uml'
[ "$(id -u)" = 0 ] || echo 'setup:test: not root; will skip: devices, foreign owners, trusted and security attributes, immutable files, full disks'
exit 0
