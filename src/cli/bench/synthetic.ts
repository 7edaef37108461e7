/** Made-up content: text that compresses like logs and sources, and a small tree of it. */
import { join } from 'node:path'
import type { Random } from '../../base/random.ts'
import type { Disk } from '../../platform/index.ts'

const WORDS = 4096
const PIECE_BYTES = 4 << 20
const SMALL_FILES_A_FOLDER = 100
const MOST_SMALL_BYTES = 8192
/** Some thousand files: making them takes longer than protecting them. */
const MOST_SMALL_TOTAL = 16 << 20

export function textOf(random: Random, length: number): Buffer {
  const words = vocabulary(random)
  const out = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; ) {
    const dice = Buffer.from(random.bytes(16_384).buffer)
    for (let i = 0; i < dice.length && at < length; i += 4) {
      // The product of two dice: some words are much more frequent than others.
      const rank = Math.floor(((dice.readUInt16LE(i) * dice.readUInt16LE(i + 2)) / 2 ** 32) * WORDS)
      at += (words[rank] as Buffer).copy(out, at)
    }
  }
  return out
}

function vocabulary(random: Random): Buffer[] {
  return Array.from({ length: WORDS }, (_, n) => {
    const dice = random.bytes(12)
    const letters = Buffer.from(dice.subarray(0, 3 + ((dice[11] as number) % 8)).map((byte) => 97 + (byte % 26)))
    return Buffer.concat([letters, Buffer.from(n % 11 === 0 ? '\n' : ' ')])
  })
}

/** One file of text, one of the same size that can't be compressed, and small files of text. Nothing of it is synced: it is a source, not a copy. */
export async function makeTree(disk: Disk, random: Random, folder: string, totalBytes: number): Promise<void> {
  const small = Math.min(MOST_SMALL_TOTAL, Math.floor(totalBytes / 3))
  const large = Math.floor((totalBytes - small) / 2)
  await disk.makeFolder(folder)
  await makeFile(disk, join(folder, 'text'), large, (length) => textOf(random, length))
  await makeFile(disk, join(folder, 'random'), large, (length) => random.bytes(length))
  const text = textOf(random, PIECE_BYTES)
  for (let made = 0, n = 0; made < small; n++) {
    const below = join(folder, String(Math.floor(n / SMALL_FILES_A_FOLDER)))
    if (n % SMALL_FILES_A_FOLDER === 0) await disk.makeFolder(below)
    const dice = Buffer.from(random.bytes(8))
    const from = dice.readUInt32LE(0) % (text.length - MOST_SMALL_BYTES)
    const length = Math.min(small - made, 1 + (dice.readUInt32LE(4) % MOST_SMALL_BYTES))
    await makeFile(disk, join(below, String(n % SMALL_FILES_A_FOLDER)), length, () => text.subarray(from, from + length))
    made += length
  }
}

async function makeFile(disk: Disk, path: string, length: number, make: (length: number) => Uint8Array): Promise<void> {
  const file = await disk.createFile(path)
  try {
    for (let at = 0; at < length; at += PIECE_BYTES) await file.write(make(Math.min(PIECE_BYTES, length - at)))
  } finally {
    await file.close()
  }
}
