/** An agent as a process of its own, for tests that end it in ways that no process can outlive. Its data folder is the first argument. */
import { startOperation } from '../base/operation.ts'
import { systemDisk } from '../platform/index.ts'
import { runAgent } from './agent.ts'
import { readIdentity } from './identity.ts'

const folder = process.argv[2] as string
const identity = await readIdentity(systemDisk(), folder)
if (!identity) throw new Error(`there is no agent in ${folder}`)
await runAgent(startOperation(), { identity, folder, version: 'v' })
