/** The head of the single file: a script of the system's shell that unpacks what follows it, once, and runs it. */
import { bundleLine } from '../../wire/index.ts'

export interface LauncherFacts {
  readonly version: string
  readonly arch: string
  /** Of what follows. */
  readonly sha256: string
}

const WIDTH = 7

/** The place of the first byte after it stands in it, so its own length must not depend on that. */
export function launcherOf({ version, arch, sha256 }: LauncherFacts): Buffer {
  const text = (start: string) => `#!/bin/sh
${bundleLine({ version, arch })}
# The Terp agent ${version} as one file: a Node runtime and the program follow this script. It needs a shell, tail, gzip, tar, and glibc with libstdc++.
#   sh terp-agent enroll --token terp1....   makes this machine an agent of a server
#   sh terp-agent start                      runs it
# It unpacks itself once, into a folder that belongs to who runs it: below $TERP_RUNTIME, or where systemd keeps the service's state, or
# /var/lib/terp-agent-runtime for root, or the cache folder of the user.
set -eu
sha256=${sha256}
start=${start}
self=$(readlink -f "$0")
if [ -n "\${TERP_RUNTIME:-}" ]; then base=$TERP_RUNTIME
elif [ -n "\${STATE_DIRECTORY:-}" ]; then base=$STATE_DIRECTORY/runtime
elif [ "$(id -u)" = 0 ]; then base=/var/lib/terp-agent-runtime
else base=\${XDG_CACHE_HOME:-$HOME/.cache}/terp-agent-runtime
fi
here=$base/$sha256
umask_before=$(umask)
if [ ! -x "$here/node" ]; then
  umask 077
  mkdir -p "$base"
  # Whoever could write there could run what he likes as us.
  if [ ! -O "$base" ] || [ ! -w "$base" ]; then
    echo "terp-agent: $base does not belong to $(id -un): name another folder in TERP_RUNTIME" >&2
    exit 1
  fi
  if command -v sha256sum >/dev/null && [ "$(tail -c +$start "$self" | sha256sum | cut -d' ' -f1)" != $sha256 ]; then
    echo "terp-agent: $self is damaged: fetch it again" >&2
    exit 1
  fi
  new=$(mktemp -d "$base/new.XXXXXX")
  if ! tail -c +$start "$self" | gzip -dc | tar -xf - -C "$new"; then
    rm -rf "$new"
    echo "terp-agent: it could not be unpacked into $base" >&2
    exit 1
  fi
  # Another process may have been faster.
  if [ -e "$here" ]; then rm -rf "$new"; else mv "$new" "$here"; fi
  # The version before stays: it may be running still.
  for old in $(ls -1t "$base" | tail -n +3); do rm -rf "\${base:?}/$old"; done
fi
[ -O "$here" ] || { echo "terp-agent: $here does not belong to $(id -un)" >&2; exit 1; }
umask "$umask_before"
TERP_BUNDLE=$self
NODE_COMPILE_CACHE=$here/cache
export TERP_BUNDLE NODE_COMPILE_CACHE
case "\${1:-}" in
  --version) set -- --version ;;
  agent) ;;
  *) set -- agent "$@" ;;
esac
exec "$here/node" --max-semi-space-size=8 --disable-warning=ExperimentalWarning "$here/src/main.ts" "$@"
exit 1
`
  const length = Buffer.byteLength(text('0'.repeat(WIDTH)))
  return Buffer.from(text(String(length + 1).padStart(WIDTH, '0')))
}
