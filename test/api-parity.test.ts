/**
 * The command line can do what the API can: every operation of the server's own description is asked for by a command, or stands here with a reason.
 * And the other way round: no command asks for what the server does not have. Paths are read from the commands' sources, where each is written out.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../src/base/clock.ts'
import { startOperation } from '../src/base/operation.ts'
import { systemDisk } from '../src/platform/index.ts'
import { runServer } from '../src/server/index.ts'

/** Operations that no command needs, and why. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  'account.read': 'the list of accounts has all of it',
  'group.get': 'the list of groups has all of it',
  'pool.read': 'the list of pool volumes has all of it',
}

interface Asked {
  readonly method: string
  /** `{}` for what is put in: one part, or more where it is a word such as `cancel`. */
  readonly path: string
  readonly file: string
}

const commandsFolder = new URL('../src/cli/', import.meta.url)

/** `api.get('/jobs', …)`, `api.send('POST', `/jobs/${id}/${act}`, …)`. */
function askedByCommands(): Asked[] {
  const files = readdirSync(commandsFolder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )
  return files.flatMap((file) => {
    const text = readFileSync(new URL(file, commandsFolder), 'utf8')
    const plain = (path = '') => path.replace(/\$\{[^}]*\}/g, '{}')
    const reads = [...text.matchAll(/\.(?:get|getVersioned|getEvenUnready|list|open)\(\s*['`](\/[^'`]*)['`]/g)]
    const found = [...text.matchAll(/findItem\(\s*(?:on\.)?api,\s*'(\/[^']*)'/g)]
    const downloads = [...text.matchAll(/\bdownload\(on, ['`](\/[^'`]*)['`]/g)]
    const acts = [...text.matchAll(/\.(?:send|act|raw)\(\s*'([A-Z]+)',\s*['`](\/[^'`]*)['`]/g)]
    return [
      ...[...reads, ...found, ...downloads].map(([, path]) => ({ method: 'GET', path: plain(path), file })),
      ...acts.map(([, method = '', path]) => ({ method, path: plain(path), file })),
    ]
  })
}

/** As the commands write them: `/jobs/{}`, `//metrics`. */
function pathOf(url: string): string {
  const path = url.startsWith('/api/v1/') ? url.slice('/api/v1'.length) : `/${url}`
  return path.replace(/\{\w+\}/g, '{}')
}

function fits(asked: Asked, method: string, path: string): boolean {
  if (asked.method !== method) return false
  const [given, wanted] = [asked.path.split('/'), path.split('/')]
  return given.length === wanted.length && given.every((part, i) => part === wanted[i] || part === '{}' || isPart(part, wanted[i] ?? ''))
}

/** `/settings/{}` is asked with a name; a part that is half fixed is none. */
function isPart(part: string, wanted: string): boolean {
  return part.includes('{}') && wanted !== '{}' && new RegExp(`^${part.replace('{}', '.+')}$`).test(wanted)
}

test('every operation of the API is used by a command, and every request of a command is one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'terp-parity-'))
  const op = startOperation({ clock: systemClock() })
  const server = await runServer(op, {
    dataFolder: join(folder, 'server'),
    host: '127.0.0.1',
    port: 0,
    agentPort: 0,
    disk: systemDisk(),
    version: '0.0.0-test',
  })
  t.after(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  const operations = server.routes.map(({ method, path, name }) => ({
    method,
    name,
    path: pathOf(path.startsWith('//') ? path.slice(1) : `/api/v1${path.replace(/:(\w+)/g, '{$1}')}`),
  }))
  const asked = askedByCommands()
  assert.ok(asked.length > 80, `${asked.length} requests were found in the sources`)

  const unused = operations.filter(({ method, path }) => !asked.some((each) => fits(each, method, path))).map(({ name }) => name)
  assert.deepEqual(unused.sort(), Object.keys(NOT_NEEDED).sort())

  // The description of the API itself is no operation of it.
  const known = [...operations, { method: 'GET', path: '/openapi.json' }]
  const wrong = asked.filter((each) => !known.some(({ method, path }) => fits(each, method, path)))
  assert.deepEqual(
    wrong.map(({ method, path, file }) => `${file}: ${method} ${path}`),
    [],
  )
})
