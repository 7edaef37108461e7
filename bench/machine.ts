/** What the figures were measured on, and with which programs. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem, type } from 'node:os'

/** `folder`: where repositories and targets lie; `checkout`: whose Terp is measured. */
export function describeMachine(folder: string, checkout: string): Record<string, string> {
  const flags = /^flags\s*:\s*(.*)$/m.exec(readOr('/proc/cpuinfo', ''))?.[1]?.split(' ') ?? []
  const [device = '?', kind = '?'] = execFileSync('df', ['--output=source,fstype', folder], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .at(-1)
    ?.split(/\s+/) ?? ['?', '?']
  return {
    processor: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`,
    instructions: ['sha_ni', 'aes', 'avx2', 'avx512f'].map((flag) => `${flag} ${flags.includes(flag) ? 'yes' : 'no'}`).join(', '),
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    disk: `${device}, ${kind}`,
    system: `${/^PRETTY_NAME="(.*)"$/m.exec(readOr('/etc/os-release', ''))?.[1] ?? type()}, Linux ${readOr('/proc/sys/kernel/osrelease', '?').trim()}`,
    virtual: flags.includes('hypervisor') ? 'yes: neighbours can be heard' : 'no',
    commit: commitOf(checkout),
  }
}

function commitOf(checkout: string): string {
  try {
    const git = (...words: string[]) =>
      execFileSync('git', words, { cwd: checkout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '--', 'src') === '' ? '' : ' with changes'}`
  } catch {
    return 'not in a checkout'
  }
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise // a machine without it is described without it
  }
}
