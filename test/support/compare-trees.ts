/** Compares two trees as those who doubt would: with rsync, find, sha256sum, getfattr and lsattr. Sockets are left out: they are not restored. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'

export function assertSameTree(source: string, copy: string): void {
  assert.equal(rsyncDifference(source, copy), '', 'rsync -aHAXni --delete finds differences')
  const wanted = describeTree(source)
  const found = describeTree(copy)
  const differences = [...wanted].flatMap(([path, text]) =>
    found.get(path) === text ? [] : [`${path}\n  is     ${found.get(path)}\n  not    ${text}`],
  )
  assert.deepEqual(differences, [])
  assert.deepEqual(
    [...found.keys()].filter((path) => !wanted.has(path)),
    [],
    'the copy has more than the source',
  )
  assert.equal(flagsOf(copy), flagsOf(source), 'inode flags differ')
}

/** Long paths are left out: rsync can't reach them. `find` can, so they are compared all the same. */
export function rsyncDifference(source: string, copy: string, ...options: string[]): string {
  const sockets = findPaths(source, ['-type', 's']).map((path) => `--exclude=/${path.replace(/[[\]*?\\]/g, '\\$&')}`)
  const args = ['-aHAXni', '--delete', ...options, '--exclude=/long-path', ...sockets, `${source}/`, `${copy}/`]
  const { status, stdout, stderr } = spawnSync('rsync', args, { encoding: 'latin1', maxBuffer: 1 << 28 })
  assert.equal(status, 0, `rsync ended with ${status}: ${stderr}`)
  return stdout
}

function findPaths(folder: string, test: readonly string[]): string[] {
  return execFileSync('find', [folder, ...test, '-printf', '%P\\0'], { encoding: 'latin1', maxBuffer: 1 << 28 })
    .split('\0')
    .filter(Boolean)
}

/** Path → type, mode, owner, group, time to the nanosecond, size, number of links and target; and the SHA-256 of what files hold. */
function describeTree(folder: string): Map<string, string> {
  const described = new Map<string, string>()
  const find = (type: string[], format: string) => {
    const text = execFileSync('find', [folder, ...type, '-printf', format], { encoding: 'latin1', maxBuffer: 1 << 28 })
    const fields = text.split('\0')
    for (let i = 0; i + 1 < fields.length; i += 2) described.set(fields[i] as string, fields[i + 1] as string)
  }
  find(['-type', 'd'], '%P\\0%y %m %U %G %T@ links %n\\0')
  find(['!', '-type', 'd', '!', '-type', 's'], '%P\\0%y %m %U %G %T@ size %s links %n -> %l\\0')
  const sums = execFileSync(
    'find',
    [folder, '-type', 'f', '-size', '-200M', '-printf', '%P\\0', '-execdir', 'sha256sum', '-b', '-z', '{}', ';'],
    {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
    },
  ).split('\0')
  for (let i = 0; i + 1 < sums.length; i += 2) described.set(`${sums[i]} content`, (sums[i + 1] as string).slice(0, 64))
  return described
}

function flagsOf(folder: string): string {
  const { stdout } = spawnSync('lsattr', ['-R', '-a', '.'], { cwd: folder, encoding: 'latin1', maxBuffer: 1 << 28 })
  const kept = stdout
    .split('\n')
    .filter((line) => /^[-a-zA-Z]{10,} /.test(line) && !line.includes('long-path') && !/ .*\/\.\.?$/.test(line))
  // `e` (extents) and `I` (indexed folder) are the file system's own business.
  return kept
    .map((line) => line.replace(/^\S+/, (flags) => flags.replace(/[eI]/g, '-')))
    .sort()
    .join('\n')
}

/** Bytes that a file takes on its disk. */
export function allocatedBytes(path: string): number {
  return Number(execFileSync('stat', ['-c', '%b', path], { encoding: 'utf8' })) * 512
}
