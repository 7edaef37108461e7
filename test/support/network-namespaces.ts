/**
 * Machines of their own for programs of one machine: a network namespace for the server with a bridge in it, and one for each agent with a line to that bridge. The network of
 * the machine itself is not touched. Names carry the process that made them, so that what a killed run left is known, and removed by the next.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PREFIX = 'terp'

/** For the `skip` option of tests. */
export function whyNoNamespaces(): false | string {
  if (process.platform !== 'linux') return 'needs network namespaces, which Linux has'
  if (process.geteuid?.() !== 0) return 'needs root for network namespaces'
  const name = `${PREFIX}-${process.pid}-try`
  const tried = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (tried.error) return 'needs the program ip (Debian: iproute2)'
  if (tried.status !== 0) return `needs network namespaces: ${tried.stderr.trim()}`
  ip('netns', 'delete', name)
  return false
}

export interface Machine {
  readonly name: string
  readonly address: string
  /** What comes before a command that is to run there. */
  readonly under: readonly string[]
}

export class NetworkNamespaces {
  readonly server: Machine
  readonly agents: readonly Machine[]

  constructor(agents: number) {
    removeLeft()
    const make = (role: string, host: number): Machine => {
      const name = `${PREFIX}-${process.pid}-${role}`
      return { name, address: `10.83.7.${host}`, under: ['ip', 'netns', 'exec', name] }
    }
    this.server = make('s', 1)
    this.agents = Array.from({ length: agents }, (_, n) => make(`a${n}`, 11 + n))
    const { name } = this.server
    ip('netns', 'add', name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    ip('-n', name, 'link', 'add', 'bridge', 'type', 'bridge')
    ip('-n', name, 'addr', 'add', `${this.server.address}/24`, 'dev', 'bridge')
    ip('-n', name, 'link', 'set', 'bridge', 'up')
    for (const [n, agent] of this.agents.entries()) {
      ip('netns', 'add', agent.name)
      ip('-n', agent.name, 'link', 'set', 'lo', 'up')
      ip('-n', name, 'link', 'add', `line${n}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', agent.name)
      ip('-n', name, 'link', 'set', `line${n}`, 'master', 'bridge', 'up')
      ip('-n', agent.name, 'addr', 'add', `${agent.address}/24`, 'dev', 'eth0')
      ip('-n', agent.name, 'link', 'set', 'eth0', 'up')
    }
  }

  /** The cable of an agent is pulled, or put in again. */
  setLine(agent: number, state: 'up' | 'down'): void {
    ip('-n', this.server.name, 'link', 'set', `line${agent}`, state)
  }

  remove(): void {
    for (const { name } of [...this.agents, this.server]) spawnSync('ip', ['netns', 'delete', name])
  }
}

/** Of runs whose process is gone. A namespace goes with its name once nothing runs in it. */
function removeLeft(): void {
  const names = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }).split('\n')
  for (const line of names) {
    const [, name, pid] = /^(terp-(\d+)-(?:s|a\d+|try))\b/.exec(line) ?? []
    if (name !== undefined && !existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'delete', name])
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
}
