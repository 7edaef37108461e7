/** The agent as one file: made here, and run where there is nothing of the project and no npm, only a shell and what unpacks. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { makeBundle } from '../../src/agent/bundle/make-bundle.ts'
import { startOperation } from '../../src/base/operation.ts'
import { aBackup, anAgentServer } from '../support/agent-server.ts'
import { noise } from '../support/pool.ts'
import { needsVolumes } from '../support/volumes.ts'

const PROJECT = join(import.meta.dirname, '../..')
const PROGRAMS = 'sh tail gzip tar readlink mktemp mkdir mv id sha256sum cut ls rm'.split(' ')

/** A folder to be the root of a machine: programs of the system and the libraries that they and the runtime need, and no more. */
function aBareMachine(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'terp-test-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  for (const folder of ['proc', 'dev', 'tmp', 'root', 'bin', 'data', 'var/lib']) mkdirSync(join(root, folder), { recursive: true })
  for (const [name, ...numbers] of [
    ['null', '1', '3'],
    ['urandom', '1', '9'],
  ] as const)
    execFileSync('mknod', ['-m', '666', join(root, 'dev', name), 'c', ...numbers])
  const libraries = new Set<string>()
  const librariesOf = (program: string) => {
    const listed = spawnSync('ldd', [program], { encoding: 'utf8' }).stdout
    for (const [, library = ''] of listed.matchAll(/(\/\S+) \(0x/g)) libraries.add(library)
  }
  for (const name of PROGRAMS) {
    const program = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    copyFileSync(program, join(root, 'bin', name))
    librariesOf(program)
  }
  librariesOf(process.execPath)
  for (const library of libraries) {
    mkdirSync(join(root, dirname(library)), { recursive: true })
    copyFileSync(library, join(root, library))
  }
  return root
}

/** In a name space of its own, so that what is mounted goes with it. */
function within(root: string, ...args: string[]) {
  const change = execFileSync('sh', ['-c', 'command -v chroot'], { encoding: 'utf8' }).trim()
  const script = `mount -t proc proc "$1/proc" && root=$1 && shift && exec env -i PATH=/bin HOME=/root ${change} "$root" /bin/sh "$@"`
  return ['unshare', ['-m', 'sh', '-c', script, 'sh', root, ...args]] as const
}

const skip = needsVolumes('unshare', 'chroot', 'ldd', ...PROGRAMS)

test('one file: enrols, backs up and restores where there is nothing of the project', { skip, timeout: 1_200_000 }, async (t) => {
  const root = aBareMachine(t)
  const op = startOperation()
  const out = join(root, 'terp-agent')
  const made = await makeBundle(op, { project: PROJECT, runtime: process.execPath, version: '1.2.3', out })
  assert.ok(made.sizeBytes > 20_000_000 && made.sizeBytes < 80_000_000, `${made.sizeBytes} bytes`)
  // The server that it speaks to is in this process, which must not wait for it.
  const run = async (...args: string[]) => {
    const [program, words] = within(root, '/terp-agent', ...args)
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    const exit = once(child, 'exit')
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    const [status] = await exit
    return { status: status as number | null, stdout, stderr }
  }
  const version = await run('--version')
  assert.equal(version.status, 0, version.stderr)
  writeFileSync(join(root, 'data/file'), noise('file', 300_000))
  const server = await anAgentServer(t)
  const enrolled = await run('enroll', '--token', server.tokenText(server.token()), '--name', 'bare', '--json')
  assert.equal(enrolled.status, 0, enrolled.stderr)
  const agentId = JSON.parse(enrolled.stdout).agent_id as string
  const [program, words] = within(root, '/terp-agent', 'start')
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let told = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (told += part.toString('utf8')))
  child.on('exit', (status) => (told += `\nended with ${status}`))
  const first = server.desk.begin(agentId, aBackup('/data'))
  const ended = await server.desk.last(first)
  assert.equal(ended.type, 'finished', `${JSON.stringify(ended)}\n${told}`)
  assert.ok(first.point)
  const restore = server.desk.begin(agentId, {
    kind: 'restore',
    target: Buffer.from('/tmp/back').toString('base64'),
    overwrite: 'never',
    dryRun: false,
    point: first.point,
  })
  mkdirSync(join(root, 'tmp/back'))
  assert.equal((await server.desk.last(restore)).type, 'finished', told)
  assert.ok(readFileSync(join(root, 'tmp/back/data/file')).equals(noise('file', 300_000)))
  child.kill('SIGTERM')
  await once(child, 'exit')
  const [unpacked] = readdirSync(join(root, 'var/lib/terp-agent-runtime'))
  assert.equal(existsSync(join(root, 'var/lib/terp-agent-runtime', unpacked as string, 'src/server')), false)
})

test('one file: what was damaged on its way is not run', { skip, timeout: 1_200_000 }, async (t) => {
  const root = aBareMachine(t)
  const out = join(root, 'terp-agent')
  await makeBundle(startOperation(), { project: PROJECT, runtime: process.execPath, version: '1.2.3', out })
  const bytes = readFileSync(out)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
  writeFileSync(out, bytes)
  chmodSync(out, 0o755)
  const [program, words] = within(root, '/terp-agent', '--version')
  const ran = spawnSync(program, words, { encoding: 'utf8' })
  assert.equal(ran.status, 1)
  assert.match(ran.stderr, /is damaged/)
})
