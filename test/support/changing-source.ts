/**
 * A folder that is protected, and changes. Each state of it is kept: a frozen copy and the list that sha256sum made of it then, so that whatever is restored later is judged by
 * others than us. Changes are drawn from a seed.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { rsyncDifference } from './compare-trees.ts'

interface State {
  readonly atMs: number
  readonly copy: string
  readonly sums: string
}

export interface SourceSize {
  readonly files: number
  /** Of most files; one in 20 has ten times as much. */
  readonly mostBytes: number
}

export class ChangingSource {
  readonly path: string
  readonly states: State[] = []
  readonly #kept: string
  readonly #random: Random
  readonly #size: SourceSize
  #made = 0

  constructor(path: string, kept: string, seed: string, size: SourceSize) {
    this.path = path
    this.#kept = kept
    this.#random = seededRandom(seed)
    this.#size = size
    mkdirSync(path, { recursive: true })
    mkdirSync(kept, { recursive: true })
    for (let n = 0; n < size.files; n++) this.#makeFile()
    symlinkSync('folder-0/../folder-1', join(path, 'a link'))
    linkSync(this.#anyFile(), join(path, 'another name'))
  }

  /** While nothing reads it: some files are new, others, gone, moved, longer, shorter, or have other permissions. */
  change(): void {
    const times = 1 + this.#draw(Math.max(2, Math.ceil(this.#size.files / 12)))
    for (let n = 0; n < times; n++) {
      const what = this.#draw(10)
      const file = this.#anyFile()
      if (what < 3 || readdirSync(this.path, { recursive: true }).length < 5) this.#makeFile()
      else if (what < 5) this.#overwrite(file)
      else if (what === 5) appendFileSync(file, this.#bytes(this.#draw(this.#size.mostBytes)))
      else if (what === 6) truncateSync(file, Math.floor(statSync(file).size / 2))
      else if (what === 7) rmSync(file)
      else if (what === 8) renameSync(file, join(this.path, `folder-${this.#draw(5)}`, `moved-${this.#made++}`))
      else chmodSync(file, 0o600 + this.#draw(64))
    }
  }

  /** What it is now, as of this moment of the server's time. */
  keep(atMs: number): void {
    const n = this.states.length
    const copy = join(this.#kept, String(n))
    const before = this.states.at(-1)?.copy
    execFileSync('rsync', ['-aHAX', ...(before === undefined ? [] : [`--link-dest=${before}`]), `${this.path}/`, `${copy}/`])
    const sums = join(this.#kept, `${n}.sha256`)
    const find = 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum'
    writeFileSync(sums, execFileSync('sh', ['-c', find], { cwd: this.path, maxBuffer: 1 << 26 }))
    this.states.push({ atMs, copy, sums })
  }

  /** What a backup saw that ran from then till then; more than one if it changed meanwhile. */
  during(fromMs: number, untilMs: number): readonly State[] {
    const first = this.states.findLastIndex(({ atMs }) => atMs <= fromMs)
    return this.states.filter(({ atMs }, n) => n >= first && atMs <= untilMs)
  }

  #makeFile(): void {
    const n = this.#made++
    const folder = join(this.path, `folder-${n % 5}`)
    mkdirSync(folder, { recursive: true })
    const bytes = this.#draw(this.#size.mostBytes) * (n % 20 === 7 ? 10 : 1)
    const file = join(folder, `file-${n}`)
    writeFileSync(file, this.#bytes(bytes))
    utimesSync(file, 1_700_000_000 + n, 1_600_000_000 + n)
    if (n % 7 === 0) execFileSync('setfattr', ['-n', 'user.terp', '-v', String(n), file])
  }

  /** In the middle, so that little of a large file is new. */
  #overwrite(file: string): void {
    const { size } = statSync(file)
    const fd = openSync(file, 'r+')
    writeSync(fd, this.#bytes(Math.min(5000, size)), 0, undefined, Math.floor(size / 3))
    closeSync(fd)
  }

  #anyFile(): string {
    const files = readdirSync(this.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const names = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
    if (names.length === 0) {
      this.#makeFile()
      return this.#anyFile()
    }
    return names[this.#draw(names.length)] as string
  }

  /** Half of it compresses. */
  #bytes(length: number): Buffer {
    const random = Buffer.from(this.#random.bytes(Math.ceil(length / 2)))
    return Buffer.concat([random, Buffer.alloc(length - random.length, random.subarray(0, 24))])
  }

  /** Below `limit`. */
  #draw(limit: number): number {
    return Buffer.from(this.#random.bytes(6)).readUIntBE(0, 6) % limit
  }
}

/** Throws with what differs, as rsync and sha256sum see it. */
export function assertRestored(state: State, restored: string): void {
  assert.equal(rsyncDifference(state.copy, restored), '', `rsync finds differences between ${state.copy} and ${restored}`)
  const { status, stdout, stderr } = spawnSync('sha256sum', ['-c', '--quiet', '--strict', state.sums], { cwd: restored, encoding: 'utf8' })
  assert.equal(status, 0, `${restored} is not what ${state.sums} says: ${stdout}${stderr}`)
}
