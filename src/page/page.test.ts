/** The page over a pool in memory, in process: no port. Names of the tree are as hostile as a file system allows. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { backUp } from '../archive/index.ts'
import { startOperation } from '../base/operation.ts'
import { DEFAULT_CHUNKING } from '../chunking/index.ts'
import { openWriteSession, Repository } from '../repository/index.ts'
import { MemoryStore } from '../storage/index.ts'
import { makePage } from './page.ts'
import { fileHref, folderHref } from './views.ts'

const op = startOperation()
const TOKEN = 'the-token-of-this-test'
const HOSTILE = '<img src=x onerror=alert(1)>&"\'.txt'
const folder = mkdtempSync(join(tmpdir(), 'terp-page-'))
after(() => rm(folder, { recursive: true, force: true }))

async function aRepository(): Promise<Repository> {
  const secret = { kind: 'key-file', bytes: Buffer.alloc(32, 7) } as const
  return Repository.create(op, new MemoryStore(), { kind: 'pool', chunking: DEFAULT_CHUNKING, secrets: [{ secret, label: 'test' }] })
}

async function addPoint(repository: Repository) {
  const session = await openWriteSession(op, repository, { release: async () => {} })
  const settings = { excludes: [], excludeCaches: false, oneFileSystem: false, forceRead: false, skipFolders: [] }
  const report = await backUp(op, { session, paths: [Buffer.from(folder)], source: '<b>web</b>', host: 'h', program: 'test', ...settings })
  return report.point
}

describe('the page', () => {
  let http: FastifyInstance
  let repository: Repository
  let id = ''
  const inFolder = (...names: string[]) => Buffer.from([folder.slice(1), ...names].join('/'))

  before(async () => {
    writeFileSync(join(folder, HOSTILE), 'hello')
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x62, 0xff])]), 'bytes')
    writeFileSync(join(folder, 'large'), Buffer.alloc(3_000_000, 'abc'))
    mkdirSync(join(folder, 'empty'))
    repository = await aRepository()
    id = (await addPoint(repository)).id
    http = makePage(op, { repository, host: '127.0.0.1', port: 0 }, TOKEN)
    await http.ready()
  })
  after(() => http.close())

  // Injected requests have no port of their own.
  const headers = { host: '127.0.0.1:undefined', cookie: `a=b; terp_page_undefined=${TOKEN}` }
  const get = (url: string, more: Record<string, string> = {}) => http.inject({ url, headers: { ...headers, ...more } })

  it('lists recovery points, escaped', async () => {
    const { statusCode, body, headers: sent } = await get('/')
    assert.equal(statusCode, 200)
    assert.match(body, new RegExp(id.slice(0, 8)))
    assert.match(body, /&lt;b&gt;web&lt;\/b&gt;/)
    assert.match(String(sent['content-security-policy']), /default-src 'none'/)
    assert.equal(sent['x-content-type-options'], 'nosniff')
  })

  it('shows a folder: folders first, hostile names harmless', async () => {
    const { statusCode, body } = await get(folderHref(id, inFolder()))
    assert.equal(statusCode, 200)
    assert.ok(!body.includes('<img'))
    assert.ok(body.includes('&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#39;.txt'))
    assert.ok(body.indexOf('>empty<') < body.indexOf('&lt;img'))
    assert.match((await get(folderHref(id, inFolder('empty')))).body, /This folder is empty/)
  })

  it('has a way from the root to every folder', async () => {
    let path = Buffer.alloc(0)
    for (const name of folder.slice(1).split('/')) {
      const { body } = await get(folderHref(id, path))
      path = Buffer.from([...(path.length > 0 ? [path.toString()] : []), name].join('/'))
      assert.ok(body.includes(`href="${folderHref(id, path)}"`), path.toString())
    }
  })

  it('gives a file as it was, under its name', async () => {
    const { statusCode, body, headers: sent } = await get(fileHref(id, inFolder(HOSTILE)))
    assert.deepEqual([statusCode, body], [200, 'hello'])
    assert.equal(sent['content-type'], 'application/octet-stream')
    assert.equal(sent['content-length'], '5')
    const disposition = String(sent['content-disposition'])
    assert.match(
      disposition,
      /^attachment; filename="[^"\\<>]*"; filename\*=UTF-8''%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26%22%27\.txt$/,
    )
    const large = await get(fileHref(id, inFolder('large')))
    assert.deepEqual(large.rawPayload, Buffer.alloc(3_000_000, 'abc'))
    const odd = Buffer.concat([inFolder(), Buffer.from([0x2f, 0x62, 0xff])])
    assert.equal((await get(fileHref(id, odd))).body, 'bytes')
  })

  it('says what is not there, in HTML', async () => {
    const urls = [
      '/nothing',
      '/points/xyz',
      `/points/${'0'.repeat(32)}`,
      fileHref(id, Buffer.from('no/such')),
      `/points/${id}/folder/==`,
      '/%ff',
    ]
    for (const url of [...urls, fileHref(id, inFolder())]) {
      const { statusCode, body, headers: sent } = await get(url)
      assert.equal(statusCode, 404, url)
      assert.match(String(sent['content-type']), /text\/html/)
      assert.match(body, /Not found/)
      assert.doesNotMatch(body, /\bat .*\.ts:/)
    }
  })

  it('answers to its own names only', async () => {
    assert.equal((await get('/', { host: 'localhost:undefined' })).statusCode, 200)
    for (const host of ['evil.example', '127.0.0.1', '127.0.0.1:1', 'evil.example:undefined']) {
      assert.equal((await get('/', { host })).statusCode, 403, host)
    }
  })

  it('opens with its token only, which becomes a cookie', async () => {
    for (const cookie of ['', 'terp_page_undefined=', 'terp_page_undefined=wrong', `terp_page_1=${TOKEN}`]) {
      const { statusCode, body } = await get('/', { cookie })
      assert.equal(statusCode, 403)
      assert.ok(!body.includes(id.slice(0, 8)))
    }
    const { statusCode, headers: sent } = await http.inject({ url: `/points/${id}?token=${TOKEN}`, headers: { host: headers.host } })
    assert.deepEqual([statusCode, sent.location], [303, `/points/${id}`])
    assert.match(String(sent['set-cookie']), /HttpOnly; SameSite=Strict/)
  })

  it('tells which recovery points the vault has, and stays when it does not answer', async () => {
    const vault = await aRepository()
    const both = makePage(op, { repository, vault, host: '127.0.0.1', port: 0 }, TOKEN)
    assert.match((await both.inject({ url: '/', headers })).body, /not in vault/)
    await both.close()
    const gone = new Repository(new MemoryStore(), repository.format, repository.bundle)
    Object.defineProperty(gone, 'listPoints', { value: () => Promise.reject(new Error('no route')) })
    const alone = makePage(op, { repository, vault: gone, host: '127.0.0.1', port: 0 }, TOKEN)
    const { statusCode, body } = await alone.inject({ url: '/', headers })
    assert.equal(statusCode, 200)
    assert.match(body, /The vault does not answer/)
    await alone.close()
  })
})
