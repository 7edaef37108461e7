/** The server with all that it is made of, as `terp server start` runs it, and people on it. */
import type { TestContext } from 'node:test'
import { runServer, type WholeServer } from '../../src/server/run-server.ts'
import { aServer, type TestServer } from '../../src/server/server.fixture.ts'

export interface TestWholeServer {
  readonly server: TestServer
  whole(): WholeServer
}

export async function aWholeServer(t: Pick<TestContext, 'after'>): Promise<TestWholeServer> {
  let whole: WholeServer | undefined
  const server = await aServer(t, {}, async (op, options) => {
    whole = await runServer(op, { ...options, agentPort: 0 })
    return whole
  })
  return {
    server,
    whole() {
      if (!whole) throw new Error('the server does not run')
      return whole
    },
  }
}
