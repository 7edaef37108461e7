/** The index is measured in a process of its own, so that its memory is not anybody else's. */
import { join } from 'node:path'
import type { Context } from '../context.ts'
import type { IndexMeasures } from '../index.ts'
import { jsonLines } from '../programs/terp.ts'

const PROGRAM = join(import.meta.dirname, '../index.ts')

export async function measureIndexApart(context: Context, chunks: number): Promise<IndexMeasures> {
  const script = `import { measureIndex } from ${JSON.stringify(PROGRAM)}; console.log(JSON.stringify(await measureIndex(${chunks})))`
  const argv = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const { stdout } = await context.time(`index/${chunks}`, 'terp', 0, { argv, env: { TMPDIR: context.folder } })
  const measured = jsonLines(stdout).at(-1)
  if (measured === undefined) throw new Error('the index told no measures')
  return measured as unknown as IndexMeasures
}
