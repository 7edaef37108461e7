/** A backup server in a process of its own, set up by its first administrator, with one pool volume. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Caller, firstAdministrator } from './people.ts'
import type { FromServer, ServerSample, ToServer } from './server-process.ts'

export interface StartedServer {
  readonly address: string
  readonly agentAddress: string
  readonly administrator: Caller
  send(message: ToServer): void
  total(): Promise<Extract<FromServer, { type: 'loop' }>>
  stop(): Promise<void>
}

export interface Told {
  sample?(sample: ServerSample): void
  warning?(code: string, message: string): void
}

/** Below `folder`: `data` and `pool`. `profile`: where a profile of what is measured goes. Whoever ends early kills the `children`. */
export async function startServer(folder: string, children: ChildProcess[], told: Told, profile?: string): Promise<StartedServer> {
  const words = [join(folder, 'data'), ...(profile === undefined ? [] : [profile])]
  const child = fork(join(import.meta.dirname, 'server-process.ts'), words, { execArgv: ['--disable-warning=ExperimentalWarning'] })
  children.push(child)
  child.on('message', (message: FromServer) => {
    if (message.type === 'sample') told.sample?.(message.sample)
    else if (message.type === 'warning') told.warning?.(message.code, message.message)
  })
  const { address, agentAddress, setupSecret } = await messageOf<FromServer, 'ready'>(child, 'ready')
  const administrator = await firstAdministrator(address, setupSecret ?? '')
  const pool = join(folder, 'pool')
  await administrator.ask('POST', '/pools', { name: 'one', folder: pool, confirm: pool })
  return {
    address,
    agentAddress,
    administrator,
    send: (message) => void child.send(message),
    async total() {
      const answer = messageOf<FromServer, 'loop'>(child, 'loop')
      child.send('total' satisfies ToServer)
      return await answer
    },
    async stop() {
      administrator.close()
      const ended = once(child, 'exit')
      child.send('stop' satisfies ToServer)
      await ended
    },
  }
}

export function endAll(children: readonly ChildProcess[]): void {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
}

export function messageOf<M extends { readonly type: string }, T extends M['type']>(
  child: ChildProcess,
  type: T,
): Promise<Extract<M, { type: T }>> {
  return new Promise((resolve, reject) => {
    const listen = (message: M) => {
      if (message.type !== type) return
      child.off('message', listen)
      resolve(message as Extract<M, { type: T }>)
    }
    child.on('message', listen)
    child.once('exit', (code) => reject(new Error(`a process ended with ${code}`)))
  })
}
