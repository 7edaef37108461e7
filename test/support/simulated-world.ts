/**
 * A real server and real agents, each a process of its own from `src/main.ts` on, in simulated time, and on machines of their own where there are some. What ends the test
 * ends them all: they die with the process that started them.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ApiPerson } from './api-person.ts'
import type { Machine } from './network-namespaces.ts'
import { TIME_FILE, TimeKeeper } from './simulated-time.ts'
import type { Json, Ran } from './terp.ts'

const ROOT = join(import.meta.dirname, '../..')
const HOOK = join(import.meta.dirname, 'simulated-time-hook.ts')
const NODE_OPTIONS = ['--max-semi-space-size=8', '--disable-warning=ExperimentalWarning', '--import', HOOK, join(ROOT, 'src/main.ts')]
/** When the machine is busy, a start may take that long. Real milliseconds. */
const START_MS = 600_000

export interface WorldOptions {
  readonly folder: string
  readonly startMs: number
  /** Of this process; without machines all run where it does. */
  readonly server?: Machine
  readonly agents: readonly (Machine | undefined)[]
}

interface Program {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
}

export interface WorldAgent {
  readonly name: string
  readonly folder: string
  readonly machine: Machine | undefined
  id: string
  program: Program | undefined
}

export class SimulatedWorld {
  readonly time: TimeKeeper
  readonly person: ApiPerson
  readonly agents: WorldAgent[]
  readonly dataFolder: string
  readonly poolFolder: string
  readonly #options: WorldOptions
  #ports: readonly [string, string] = ['0', '0']
  #server: Program | undefined

  constructor(options: WorldOptions) {
    const { folder, startMs, agents } = options
    this.#options = options
    this.time = new TimeKeeper(join(folder, 'time'), startMs)
    this.person = new ApiPerson(this.time)
    this.dataFolder = join(folder, 'server')
    this.poolFolder = join(folder, 'pool')
    this.agents = agents.map((machine, n) => {
      const name = `machine-${n}`
      return { name, folder: join(folder, name), machine, id: '', program: undefined }
    })
    mkdirSync(join(folder, 'logs'))
  }

  get isServerRunning(): boolean {
    return this.#server !== undefined
  }

  /** The first start, its account, a pool volume, and all agents enrolled and started. Returns the pool's id. */
  async setUp(): Promise<string> {
    const { setup_secret: secret } = await this.startServer()
    await this.person.setUp(secret)
    const { poolFolder: folder } = this
    const { pool } = await this.person.askProven('/pools', { method: 'POST', body: { name: 'one', folder, confirm: folder } })
    for (const agent of this.agents) {
      const { token } = await this.person.ask('/enrolments', { method: 'POST', body: { name: agent.name } })
      const file = join(this.#options.folder, `${agent.name}.token`)
      writeFileSync(file, token, { mode: 0o600 })
      const enrol = ['agent', 'enroll', '--token-file', file, '--data', agent.folder, '--name', agent.name, '--json']
      const { code, stdout, stderr } = await this.run(enrol, agent.machine)
      assert.equal(code, 0, stdout + stderr)
      this.startAgent(agent)
    }
    for (const { id, name } of await this.person.list('/agents')) for (const agent of this.agents) if (agent.name === name) agent.id = id
    return pool.id
  }

  /** Returns what it says when it is ready. Its ports stay what they were. */
  async startServer(): Promise<Json> {
    assert.equal(this.#server, undefined, 'a server runs')
    const { server } = this.#options
    const [port, agentPort] = this.#ports
    const host = server === undefined ? ['--host', '127.0.0.1'] : ['--host', '0.0.0.0']
    // Agents know it by the address of its machine.
    const url = server === undefined ? [] : ['--agent-url', `https://${server.address}:${server === undefined ? '' : AGENT_PORT}`]
    const ports = server === undefined ? ['--port', port, '--agent-port', agentPort] : ['--port', PORT, '--agent-port', AGENT_PORT]
    const program = this.#start('server', ['server', 'start', '--data', this.dataFolder, ...host, ...ports, ...url, '--json'], undefined)
    this.#server = program
    const line = await firstLine(program)
    const ready = JSON.parse(line)
    assert.equal(ready.message_type, 'ready', line)
    this.person.address = ready.address
    this.#ports = [new URL(ready.address).port, new URL(ready.agent_address).port]
    return ready
  }

  async killServer(): Promise<void> {
    await this.#end(this.#server, 'SIGKILL')
    this.#server = undefined
  }

  async stopServer(): Promise<void> {
    await this.#end(this.#server, 'SIGTERM')
    this.#server = undefined
  }

  startAgent(agent: WorldAgent): void {
    assert.equal(agent.program, undefined, `${agent.name} runs`)
    agent.program = this.#start(agent.name, ['agent', 'start', '--data', agent.folder, '--json'], agent.machine)
  }

  async killAgent(agent: WorldAgent): Promise<void> {
    const { program } = agent
    agent.program = undefined
    await this.#end(program, 'SIGKILL')
  }

  /** A command, to its end. */
  async run(args: readonly string[], machine?: Machine): Promise<Ran> {
    const child = this.#spawn(args, machine, ['ignore', 'pipe', 'pipe'])
    let [stdout, stderr] = ['', '']
    child.stdout?.on('data', (data) => {
      stdout += data
    })
    child.stderr?.on('data', (data) => {
      stderr += data
    })
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    return { code, stdout, stderr }
  }

  async close(): Promise<void> {
    this.person.close()
    const programs = [...this.agents.map(({ program }) => program), this.#server]
    await Promise.allSettled(programs.map((program) => this.#end(program, 'SIGKILL')))
    this.time.close()
  }

  #start(name: string, args: readonly string[], machine: Machine | undefined): Program {
    const log = openSync(join(this.#options.folder, 'logs', name), 'a')
    const child = this.#spawn(args, machine, ['ignore', name === 'server' ? 'pipe' : log, log])
    closeSync(log)
    const ended = new Promise((resolve) => {
      child.on('error', resolve)
      child.on('close', resolve)
    })
    return { child, ended }
  }

  #spawn(args: readonly string[], machine: Machine | undefined, stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
    const command = ['setpriv', '--pdeathsig', 'KILL', ...(machine?.under ?? []), process.execPath, ...NODE_OPTIONS, ...args]
    const env = { ...process.env, NO_COLOR: '1', [TIME_FILE]: this.time.path }
    return spawn(command[0] as string, command.slice(1), { stdio, env })
  }

  async #end(program: Program | undefined, signal: NodeJS.Signals): Promise<void> {
    if (!program) return
    program.child.kill(signal)
    await program.ended
  }
}

/** The server's machine is its own, so these are free. */
const PORT = '7843'
const AGENT_PORT = '7844'

async function firstLine({ child, ended }: Program): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      new Promise<string>((resolve) => lines.once('line', resolve)),
      ended.then(() => Promise.reject(new Error('the server ended before it was ready'))),
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('the server was not ready in time')), START_MS)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
