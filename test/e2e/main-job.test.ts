/** The main job: everything that a tree can hold is protected twice and comes back equal from either copy. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { allocatedBytes, assertSameTree, rsyncDifference } from '../support/compare-trees.ts'
import { makeOddTree, removeTree } from '../support/odd-tree.ts'
import { needsRoot } from '../support/temporary-folder.ts'
import {
  assertSound,
  backUp,
  lastLine,
  makePlace,
  makePool,
  makeVault,
  newCredentials,
  register,
  startVault,
  terp,
} from '../support/terp.ts'

interface RestoreSummary {
  files_restored: number
  files_failed: number
  files_skipped: number
  skipped: { code: string; path: string }[]
}

/** Sockets are recorded and not made again, which is a warning. */
function assertRestored(ran: ReturnType<typeof terp>, sockets: number): RestoreSummary {
  assert.ok([0, 3].includes(ran.code as number), `${ran.code}: ${ran.stderr.slice(0, 3000)}`)
  const summary = lastLine(ran.stdout) as RestoreSummary
  assert.equal(summary.files_failed, 0, JSON.stringify(summary).slice(0, 3000))
  assert.deepEqual(
    summary.skipped.map(({ code }) => code),
    Array(sockets).fill('KIND_SKIPPED'),
  )
  return summary
}

describe('a tree with everything', { skip: needsRoot }, () => {
  it('comes back equal from the pool, and from the vault when pool and server are gone', async (t) => {
    const place = makePlace(t)
    const odd = join(place.folder, 'odd')
    const missing = makeOddTree(odd)
    assert.deepEqual(missing, [], 'this machine can hold everything')
    makePool(place)
    const { warnings } = backUp(place, [odd], '--source', 'odd')
    assert.deepEqual(warnings, [])

    const fromPool = join(place.folder, 'from-pool')
    assertRestored(terp(['pool', 'restore', place.pool, 'latest', '--target', fromPool, ...place.open, '--json']), 1)
    assertSameTree(odd, join(fromPool, odd))
    for (const name of ['only-hole', 'islands-beyond-4-GiB', 'hole-then-data', 'data-then-hole']) {
      const [wanted, found] = [odd, join(fromPool, odd)].map((root) => allocatedBytes(join(root, 'sparse', name))) as [number, number]
      assert.ok(found <= wanted + 131_072, `${name} takes ${found} bytes, its source ${wanted}`)
    }
    removeTree(fromPool)

    const vault = await startVault(t, join(place.folder, 'vault'))
    const { credentials } = makeVault(vault, place)
    register(place, credentials)
    const upload = terp(['pool', 'upload', place.pool, ...place.open, '--json'])
    assert.equal(upload.code, 0, upload.stderr)
    const fresh = newCredentials(vault, place)
    removeTree(place.pool)
    fs.rmSync(place.key)
    const access = ['--vault-credentials', fresh, '--passphrase-file', place.passphraseFile, '--json']
    const listed = JSON.parse(terp(['recover', ...access, '--list']).stdout) as { id: string; source: string }[]
    assert.deepEqual(
      listed.map(({ source }) => source),
      ['odd'],
    )
    const fromVault = join(place.folder, 'from-vault')
    assertRestored(terp(['recover', ...access, '--point', listed[0]?.id ?? '', '--target', fromVault]), 1)
    assertSameTree(odd, join(fromVault, odd))
  })

  it('is read again only where it changed', (t) => {
    const place = makePlace(t)
    const odd = join(place.folder, 'odd')
    makeOddTree(odd)
    makePool(place)
    const first = backUp(place, [odd])
    const second = backUp(place, [odd])
    assert.equal(second.files_new + second.files_changed, 0)
    assert.equal(second.files_unmodified, first.total_files_processed)
    assert.ok(second.data_added < first.data_added / 1000, `${second.data_added} of ${first.data_added} bytes were added`)
    assertSound(place)
  })
})

describe('/etc and a part of /usr/lib', { skip: needsRoot }, () => {
  it('come back equal from the pool', (t) => {
    const place = makePlace(t)
    makePool(place)
    const slice = '/usr/lib/python3'
    backUp(place, ['/etc', slice])
    const target = join(place.folder, 'restored')
    assertRestored(terp(['pool', 'restore', place.pool, 'latest', '--target', target, ...place.open, '--json']), 0)
    for (const path of ['/etc', slice]) {
      assert.equal(rsyncDifference(path, join(target, path), '-c'), '')
      assertSameTree(path, join(target, path))
    }
  })
})

describe('the second backup', () => {
  const openedFiles = (trace: string, source: string) =>
    new Set(
      [...wholeCalls(fs.readFileSync(trace, 'utf8')).matchAll(/openat\((?:AT_FDCWD|\d+<([^>]*)>), "([^"]*)", ([A-Z_|]*).*\) = \d+/g)]
        .filter(([, , , flags]) => !flags?.includes('O_DIRECTORY') && !flags?.includes('O_PATH'))
        .map(([, folder, name]) => ((name as string).startsWith('/') ? (name as string) : `${folder}/${name}`))
        .filter((path) => path.startsWith(`${source}/`)),
    )
  const strace = spawnable('strace') ? false : 'strace is missing'

  it('reads no file where nothing changed, and only the changed ones after that', { skip: strace }, (t) => {
    const place = makePlace(t)
    const source = join(place.folder, 'source')
    fs.mkdirSync(source)
    for (let folder = 0; folder < 20; folder++) {
      fs.mkdirSync(join(source, `folder-${folder}`))
      for (let file = 0; file < 100; file++)
        fs.writeFileSync(join(source, `folder-${folder}/file-${file}`), `${folder}/${file}\n`.repeat(200 * (1 + (file % 7))))
    }
    fs.writeFileSync(join(source, 'large'), Buffer.alloc(5_000_000, 'large '))
    makePool(place)
    // What was written this moment may change without its time telling: make all of it old.
    execFileSync('find', [source, '-exec', 'touch', '-d', '2020-02-02', '{}', '+'])
    const first = backUp(place, [source])
    assert.equal(first.files_new, 2001)
    // Files whose change is as young as the backup are read once more; from then on they are settled.
    backUp(place, [source])

    const traced = (name: string) => {
      const trace = join(place.folder, name)
      const under = ['strace', '-f', '-y', '-qq', '-s', '4096', '-e', 'trace=openat', '-o', trace]
      const ran = terp(['pool', 'backup', place.pool, source, ...place.open, '--json'], { under })
      assert.equal(ran.code, 0, ran.stderr)
      return { summary: lastLine(ran.stdout), opened: openedFiles(trace, source) }
    }
    const unchanged = traced('unchanged')
    assert.deepEqual([...unchanged.opened], [])
    assert.equal(unchanged.summary.files_unmodified, 2001)
    assert.ok(unchanged.summary.data_added < first.data_added / 1000, `${unchanged.summary.data_added} of ${first.data_added}`)

    const changed = Array.from({ length: 100 }, (_, i) => join(source, `folder-${i % 20}/file-${i}`))
    for (const path of changed) fs.appendFileSync(path, 'changed')
    const after = traced('changed')
    assert.deepEqual([...after.opened].sort(), [...changed].sort())
    assert.equal(after.summary.files_changed, 100)
    assert.equal(after.summary.files_unmodified, 1901)
  })
})

/** strace writes a call in two lines, `… <unfinished ...>` and `<... openat resumed>…`, when another thread calls meanwhile. */
function wholeCalls(trace: string): string {
  const begun = new Map<string, string>()
  return trace
    .split('\n')
    .map((line) => {
      const [, thread = '', call = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
      const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(call)
      if (unfinished) {
        begun.set(thread, unfinished[1] as string)
        return ''
      }
      const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(call)
      return resumed ? `${thread} ${begun.get(thread)}${resumed[1]?.replace(/ +=/, ' =')}` : line
    })
    .join('\n')
}

function spawnable(program: string): boolean {
  try {
    execFileSync('which', [program])
    return true
  } catch {
    return false
  }
}
