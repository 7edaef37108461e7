/** What a short command loads: that is most of its time, and one careless line in a door brings a hundred modules. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const MAIN = join(import.meta.dirname, '../main.ts')
/** Prints what was loaded when the process ends. */
const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  const urls = []
  registerHooks({ load(url, context, next) { urls.push(url); return next(url, context) } })
  process.on('exit', () => process.stdout.write('\\n' + JSON.stringify(urls)))
`)}`

function loadedBy(...given: string[]): string[] {
  const options = ['--disable-warning=ExperimentalWarning', '--import', HOOK, MAIN, ...given]
  const printed = execFileSync(process.execPath, options, { encoding: 'utf8' })
  return (JSON.parse(printed.trimEnd().split('\n').at(-1) as string) as string[]).filter((url) => url.startsWith('file:'))
}

describe('a short command', () => {
  for (const command of ['browse', 'diff', 'list']) {
    it(`${command} loads no library that it does not use, and no other command`, () => {
      const loaded = loadedBy('pool', command, '--help')
      const packages = new Set(loaded.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []))
      assert.deepEqual(
        [...packages].sort(),
        ['@koromix/koffi-linux-x64', 'commander', 'koffi'].filter((name) => packages.has(name)),
      )
      const commands = loaded.filter((url) => url.includes('/cli/commands/'))
      assert.deepEqual(
        commands.map((url) => url.split('/').at(-1)),
        [`pool-${command}.ts`],
      )
      assert.ok(!loaded.some((url) => /\/src\/(vault|page|wire)\//.test(url)), 'nothing of a server')
    })
  }
})

describe('a command on a server', () => {
  it('loads the client alone: no other program, no other command', () => {
    const loaded = loadedBy('alert', 'list', '--help')
    assert.deepEqual(
      loaded.filter((url) => /\/src\/(?:server|agent|catalog|vault|page|archive)\//.test(url)),
      [],
    )
    const commands = loaded.filter((url) => url.includes('/cli/commands/'))
    assert.deepEqual(
      commands.map((url) => url.split('/').at(-1)),
      ['alerts.ts'],
    )
  })
})
