#!/bin/sh
# Brings the peer that the benchmark compares with: restic's static binary from Debian's sid, unpacked below the given folder, installed nowhere.
# Uses the machine's own Debian mirror and key; nothing of the machine's package state is touched.
set -eu
folder=$1
binary="$folder/usr/bin/restic"
[ -x "$binary" ] && { echo "$binary"; exit 0; }
sources=/etc/apt/sources.list.d/debian.sources
if [ -r "$sources" ]; then
  uri=$(awk '/^URIs:/ { print $2 }' "$sources" | grep -v security | head -n 1)
else
  uri=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; exit } }' /etc/apt/sources.list)
fi
[ -n "$uri" ] || { echo "no Debian mirror is configured on this machine" >&2; exit 1; }
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/parts"
printf 'Types: deb\nURIs: %s\nSuites: sid\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$uri" >"$folder/parts/sid.sources"
apt() {
  apt-get -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$folder/parts" -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" "$@"
}
cd "$folder"
apt update >"$folder/log" 2>&1
apt download restic >>"$folder/log" 2>&1
dpkg -x restic_*.deb "$folder"
echo "$binary"
