/** Programs of the system that snapshots are made with. */
import { execFile } from 'node:child_process'
import type { Operation } from '../../../base/operation.ts'

/** Why no snapshot can be had, in a word for people. */
export class NoSnapshot extends Error {}

const PATIENCE_MS = 120_000
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What it prints. NoSnapshot when it fails, with its own words. */
export function run(op: Operation, program: string, args: readonly (string | Buffer)[]): Promise<string> {
  op.check()
  // Their bytes, whatever they are: Node takes text.
  const texts = args.map((arg) => (typeof arg === 'string' ? arg : textOf(arg)))
  return new Promise((resolve, reject) => {
    execFile(program, texts, { timeout: PATIENCE_MS, env: { PATH, LC_ALL: 'C' } }, (error, stdout, stderr) => {
      if (!error) resolve(stdout)
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT') reject(new NoSnapshot(`${program} is not installed`))
      else
        reject(
          new NoSnapshot(
            `${program} ${args[0]?.toString() ?? ''} says: ${(stderr || error.message).trim().split('\n').at(-1)}`.slice(0, 500),
          ),
        )
    })
  })
}

function textOf(path: Buffer): string {
  const text = path.toString('utf8')
  if (!Buffer.from(text).equals(path)) throw new NoSnapshot('a path of it is no text')
  return text
}
