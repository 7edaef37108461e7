/**
 * Backups and uploads that are killed at random moments, and what must hold after each: the pool opens and verifies clean, what was acknowledged
 * restores, the next run completes, and hardly anything is stored twice. test/e2e runs a few, test/soak many.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { removeTree } from './odd-tree.ts'
import { assertSound, type Json, killHard, lastLine, type Place, type RunningVault, startTerp, terp, terpOk } from './terp.ts'

const PACK_BYTES = 33_554_432
/** One pack of each of two workers may have to be sent again. */
const AGAIN_BYTES = 2 * PACK_BYTES

export interface KillCounts {
  /** The process was still at work. */
  killed: number
  /** It had ended before. */
  late: number
  /** Killed after the recovery point was committed, before anybody was told. */
  committedUntold: number
  restored: number
  mostAgainBytes: number
}

export class KillRun {
  readonly place: Place
  readonly source: string
  readonly random: Random
  readonly counts: KillCounts = { killed: 0, late: 0, committedUntold: 0, restored: 0, mostAgainBytes: 0 }
  /** Recovery point → what `sha256sum` says of its source. */
  readonly acknowledged = new Map<string, string>()
  #changes = 0
  #usualMs = { backup: 3000, upload: 3000 }

  constructor(place: Place, seed: string) {
    this.place = place
    this.source = join(place.folder, 'source')
    this.random = seededRandom(seed)
    fs.mkdirSync(this.source)
  }

  /** Uniform in [0, limit). */
  draw(limit: number): number {
    return Math.floor((Buffer.from(this.random.bytes(6)).readUIntLE(0, 6) / 2 ** 48) * limit)
  }

  /** New files that do not compress, some small ones, some changed, some gone. Returns how many bytes are new. */
  change(bytes: number): number {
    const turn = this.#changes++
    const folder = join(this.source, `turn-${turn}`)
    fs.mkdirSync(folder)
    let fresh = 0
    for (let n = 0; fresh < bytes; n++) {
      const size = Math.min(bytes - fresh, 200_000 + this.draw(12_000_000))
      fs.writeFileSync(join(folder, `large-${n}`), fastNoise(this.random, size))
      fresh += size
    }
    for (let n = 0; n < 200; n++) {
      const size = this.draw(30_000)
      fs.writeFileSync(join(folder, `small-${n}`), fastNoise(this.random, size))
      fresh += size
    }
    if (turn > 2) {
      const old = join(this.source, `turn-${this.draw(turn - 1)}`)
      if (fs.existsSync(old)) {
        const names = fs.readdirSync(old)
        const name = join(old, names[this.draw(names.length)] ?? 'nothing')
        if (fs.existsSync(name) && this.draw(2) === 0) fs.rmSync(name)
        else if (fs.existsSync(name)) {
          fs.appendFileSync(name, 'one more line\n')
          fresh += fs.statSync(name).size
        }
      }
    }
    return fresh
  }

  /** What is older than a few turns goes, so that a long run needs no more room than a short one. */
  forgetOldTurns(keep: number): void {
    for (let turn = 0; turn < this.#changes - keep; turn++) removeTree(join(this.source, `turn-${turn}`))
  }

  /** A backup that nobody kills. */
  backUp(): string {
    const started = performance.now()
    const { stdout } = terpOk(['pool', 'backup', this.place.pool, this.source, ...this.place.open, '--json', '--source', 'kill'])
    this.#usualMs.backup = performance.now() - started
    const id = lastLine(stdout).recovery_point_id as string
    this.acknowledged.set(id, sumsOf(this.source))
    return id
  }

  upload(): void {
    const started = performance.now()
    terpOk(['pool', 'upload', this.place.pool, ...this.place.open, '--json'])
    this.#usualMs.upload = performance.now() - started
  }

  async killBackup(freshBytes: number): Promise<void> {
    const packs = join(this.place.pool, 'packs')
    const before = bytesBelow(packs)
    const summary = await this.#killed('backup', [
      'pool',
      'backup',
      this.place.pool,
      this.source,
      ...this.place.open,
      '--json',
      '--source',
      'kill',
    ])
    if (summary) this.acknowledged.set(summary.recovery_point_id, sumsOf(this.source))
    const untold = this.#points().filter((id) => !this.acknowledged.has(id))
    assert.ok(untold.length <= 1, `${untold.length} recovery points that nobody asked for`)
    for (const id of untold) this.acknowledged.set(id, sumsOf(this.source))
    this.counts.committedUntold += untold.length
    // What was killed leaves hints at most: packs that no segment lists.
    const verified = terp(['pool', 'verify', this.place.pool, ...this.place.open, '--json'])
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
    this.restoreOne()
    this.backUp()
    this.#countAgain(bytesBelow(packs) - before - freshBytes)
    assertSound(this.place)
  }

  async killUpload(vault: RunningVault): Promise<void> {
    const pool = bytesBelow(join(this.place.pool, 'packs'))
    await this.#killed('upload', ['pool', 'upload', this.place.pool, ...this.place.open, '--json'])
    this.upload()
    // The vault holds the content of the pool once, padded: a pack is full or at most 12 % larger than what is in it.
    this.#countAgain(bytesBelow(vault.data) - Math.ceil(pool * 1.02) - 4_000_000)
  }

  /** Restores an acknowledged point, drawn or named, and compares it. */
  restoreOne(id: string = [...this.acknowledged.keys()][this.draw(this.acknowledged.size)] as string): void {
    this.#restore(['pool', 'restore', this.place.pool, id, ...this.place.open], this.acknowledged.get(id))
  }

  recoverOne(credentials: string, id: string): void {
    const access = ['--vault-credentials', credentials, '--passphrase-file', this.place.passphraseFile]
    this.#restore(['recover', ...access, '--point', id], this.acknowledged.get(id))
  }

  #restore(command: readonly string[], sums: string | undefined): void {
    const target = join(this.place.folder, 'restored')
    terpOk([...command, '--target', target, '--json'])
    assert.equal(sumsOf(join(target, this.source)), sums)
    removeTree(target)
    this.counts.restored++
  }

  #points(): string[] {
    const { stdout } = terpOk(['pool', 'list', this.place.pool, ...this.place.open, '--json'])
    return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)
  }

  #countAgain(bytes: number): void {
    this.counts.mostAgainBytes = Math.max(this.counts.mostAgainBytes, bytes)
    assert.ok(bytes <= AGAIN_BYTES, `${bytes} bytes were stored again, more than a pack of each worker`)
  }

  /** The summary, if it got that far before the signal. */
  async #killed(what: 'backup' | 'upload', args: readonly string[]): Promise<Json> {
    const { child, ended } = startTerp(args)
    const timer = setTimeout(() => killHard(child), 150 + this.draw(Math.max(1, this.#usualMs[what] - 100)))
    const { code, signal, stdout, stderr } = await ended
    clearTimeout(timer)
    if (signal === 'SIGKILL') this.counts.killed++
    else {
      this.counts.late++
      assert.equal(code, 0, stdout + stderr)
    }
    const last = stdout.trim().split('\n').at(-1) ?? ''
    return last.includes('"summary"') && last.endsWith('}') ? JSON.parse(last) : undefined
  }
}

/** Compresses as little as random bytes do, and is made faster than SHA-256 would. */
function fastNoise(random: Random, size: number): Buffer {
  const cipher = createCipheriv('aes-256-ctr', random.bytes(32), Buffer.alloc(16))
  return cipher.update(Buffer.alloc(size))
}

function sumsOf(folder: string): string {
  return execFileSync('sh', ['-c', 'find . -type f -print0 | sort -z | xargs -0 -r sha256sum -b'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
}

export function bytesBelow(folder: string): number {
  const sizes = execFileSync('find', [folder, '-type', 'f', '-name', '*.pack', '-printf', '%s\n'], { encoding: 'utf8', maxBuffer: 1 << 28 })
  return sizes.split('\n').reduce((sum, size) => sum + Number(size), 0)
}
