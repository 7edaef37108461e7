/** Mounted volumes that hold somebody's files, from the text of /proc/self/mounts. Pure. */

export interface Mount {
  readonly device: string
  readonly path: Buffer
  readonly type: string
  readonly isReadOnly: boolean
}

/** What the kernel makes up, what lives in memory, and what lives on another machine. */
const NOT_FILES = new Set(
  'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs overlay proc pstore ramfs rpc_pipefs securityfs selinuxfs squashfs sysfs tmpfs tracefs'.split(
    ' ',
  ),
)
const REMOTE = /^(nfs|cifs|smb|9p|ceph|glusterfs|fuse\.(sshfs|rclone|s3fs))/

/** Local volumes, each once, in the order of their paths. */
export function mountsIn(text: string): Mount[] {
  const byPath = new Map<string, Mount>()
  for (const line of text.split('\n')) {
    const [device = '', path = '', type = '', options = ''] = line.split(' ')
    if (path === '' || NOT_FILES.has(type) || REMOTE.test(type)) continue
    // What was mounted last is what is seen.
    byPath.set(path, {
      device: unescaped(device).toString('utf8'),
      path: unescaped(path),
      type,
      isReadOnly: options.split(',').includes('ro'),
    })
  }
  const devices = new Set<string>()
  return [...byPath.values()]
    .sort((a, b) => Buffer.compare(a.path, b.path))
    .filter(({ device, type }) => {
      const key = `${type} ${device}`
      // The same volume in a second place (a bind mount).
      if (devices.has(key)) return false
      devices.add(key)
      return true
    })
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
export function unescaped(text: string): Buffer {
  return Buffer.from(
    text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
    'latin1',
  )
}
