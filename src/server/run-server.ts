/** The whole backup server: pool volumes with recovery and search, and the control plane, in the order in which they need each other. */
import type { Operation } from '../base/operation.ts'
import { openAgentCertificate } from './agents/port-certificate.ts'
import { dataPaths } from './data-folder.ts'
import { type ControlPlane, makeControlPlane } from './jobs/control-plane.ts'
import type { MakePart } from './part.ts'
import { makePoolsPart, type PoolsPart } from './pools/pools-part.ts'
import { type RunningServer, type ServerOptions, startServer } from './start.ts'

export interface RunServerOptions extends Omit<ServerOptions, 'parts'> {
  /** On the same host; 0: any free one. */
  readonly agentPort: number
  /** As agents reach it, where that is another address. */
  readonly agentUrl?: string | undefined
  /** After a change, until the configuration is copied. Other than usual only in tests. */
  readonly copyAfterMs?: number | undefined
}

export interface WholeServer extends RunningServer {
  /** Where agents call. */
  readonly agentAddress: string
}

export async function runServer(op: Operation, { agentPort, agentUrl, copyAfterMs, ...options }: RunServerOptions): Promise<WholeServer> {
  const { dataFolder, disk, host } = options
  const paths = dataPaths(dataFolder)
  let pools: PoolsPart | undefined
  let control: ControlPlane | undefined
  const makePools: MakePart = async (context) => {
    pools = await makePoolsPart(context, { dataFolder, disk, jobs: () => made(control).engine })
    return pools
  }
  const makeControl: MakePart = async (context) => {
    const agents = { host, port: agentPort, url: agentUrl, ...(await openAgentCertificate(context.op, disk, paths)) }
    const { keeper, mover } = made(pools)
    control = await makeControlPlane(context, { pools: keeper, agents, paths, disk, copyAfterMs })
    control.engine.register(mover.kind())
    control.check.onCopies = (op, copies) => mover.tidy(op, copies)
    return control
  }
  const server = await startServer(op, { ...options, parts: [makePools, makeControl] })
  return { ...server, agentAddress: made(control).agentUrl() }
}

function made<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('a part of the server is asked for before it is made')
  return part
}
