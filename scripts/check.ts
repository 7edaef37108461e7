/** All that can be said about the sources without running the product: side by side, one line each, and what a failing one printed. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const bin = (name: string) => join(ROOT, 'node_modules/.bin', name)
const test = (file: string): [string, string[]] => [process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/test.ts', file]]

/** Not the documents: their tables are laid out by hand. */
const CODE = ['src', 'test', 'bench', 'scripts', 'package.json', 'tsconfig.json', 'biome.json'].filter((path) =>
  existsSync(join(ROOT, path)),
)

const CHECKS: Record<string, [command: string, args: string[]]> = {
  format: [bin('biome'), ['format', ...CODE]],
  lint: [bin('biome'), ['lint', '--error-on-warnings', ...CODE]],
  types: [bin('tsc'), ['-p', '.']],
  arrows: test('test/architecture.test.ts'),
  docs: test('test/docs.test.ts'),
}

async function runCheck(name: string, command: string, args: string[]): Promise<{ name: string; isOk: boolean; output: string }> {
  const startedMs = performance.now()
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const isOk = await new Promise<boolean>((resolve) => {
    child.on('error', (error) => {
      output += error.message
      resolve(false)
    })
    child.on('close', (code) => resolve(code === 0))
  })
  console.log(`${isOk ? 'ok    ' : 'FAILED'} ${name.padEnd(6)}  ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  return { name, isOk, output }
}

const results = await Promise.all(Object.entries(CHECKS).map(([name, [command, args]]) => runCheck(name, command, args)))
const failed = results.filter((result) => !result.isOk)
for (const { name, output } of failed) console.log(`\n--- ${name} ---\n${output.trimEnd()}`)
if (failed.length > 0)
  console.log(`\nfailed: ${failed.map((result) => result.name).join(', ')} (npm run fix mends format and some of lint)`)
process.exitCode = failed.length === 0 ? 0 : 1
