/** What someone who holds the vault's folder can read in it: nothing. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { backUp, makePlace, makePool, makeVault, PASSPHRASE, register, startVault, terpOk } from '../support/terp.ts'

const DEFAULT_PACK_BYTES = 33_554_432
const LEAST_PACK_BYTES = 65_536

function isPadme(size: number): boolean {
  const exponent = Math.floor(Math.log2(size))
  return size % 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1) === 0
}

describe('the folder of a vault', () => {
  it('holds no name, path or content of what is protected, plain or compressed, and no sizes of chunks', async (t) => {
    const place = makePlace(t)
    const source = join(place.folder, 'Top-Secret-Folder')
    fs.mkdirSync(source)
    const needle = 'the quick brown fox 7f3a91 jumps over'
    const text = `${needle}\n`.repeat(40_000)
    fs.writeFileSync(join(source, 'Very-Private-Name.txt'), text)
    const small = `a note: ${needle} and ${'more '.repeat(400)}`
    fs.writeFileSync(join(source, 'Another-Private-Name.txt'), small)
    fs.symlinkSync('Private-Link-Target', join(source, 'Link-To-Somewhere-Private'))
    const noise = randomBytes(80_000_000)
    fs.writeFileSync(join(source, 'noise'), noise)
    makePool(place)
    backUp(place, [source], '--source', 'Secret-Source-Name')
    const vault = await startVault(t, join(place.folder, 'vault'))
    register(place, makeVault(vault, place).credentials)
    terpOk(['pool', 'upload', place.pool, ...place.open])
    await vault.stop()

    // That the search would find them: they are in the source.
    const grep = (pattern: string, folder: string) => spawnSync('grep', ['-rlaF', '--', pattern, folder], { encoding: 'utf8' }).stdout
    assert.notEqual(grep(needle, source), '')
    for (const word of [
      'Top-Secret-Folder',
      'Private-Name',
      'Private-Link-Target',
      'Link-To-Somewhere',
      'Secret-Source-Name',
      needle,
      'quick brown',
      PASSPHRASE,
    ]) {
      assert.equal(grep(word, vault.data), '', word)
      assert.equal(grep(Buffer.from(word).toString('base64').slice(0, -4), vault.data), '', `${word}, in base64`)
    }
    const files = execFileSync('find', [vault.data, '-type', 'f', '-print0'], { encoding: 'utf8' }).split('\0').filter(Boolean)
    const held = Buffer.concat(files.map((path) => fs.readFileSync(path)))
    const pieces: [string, Buffer][] = [['noise', noise.subarray(1_000_000, 1_000_032)]]
    const bodies: [string, Buffer][] = [1, 2, 3].map((level) => [
      `zstd, level ${level}`,
      zstdCompressSync(text.slice(0, 1_000_000), { params: { 100: level } }),
    ])
    bodies.push(['zstd of the small one', zstdCompressSync(small)], ['gzip', gzipSync(text)], ['deflate', deflateRawSync(small)])
    for (const [name, body] of bodies)
      pieces.push(
        [`${name}, its beginning`, body.subarray(0, 24)],
        [`${name}, its middle`, body.subarray(body.length >> 1, (body.length >> 1) + 16)],
      )
    for (const [name, piece] of pieces) assert.equal(held.indexOf(piece), -1, name)

    const packs = files.filter((path) => path.endsWith('.pack')).map((path) => fs.statSync(path).size)
    assert.ok(packs.length >= 3, 'there are some packs')
    for (const size of packs)
      assert.ok(size === DEFAULT_PACK_BYTES || (size >= LEAST_PACK_BYTES && isPadme(size)), `a pack of ${size} bytes`)
    assert.ok(
      packs.some((size) => size === DEFAULT_PACK_BYTES),
      'a full pack has exactly its size',
    )
  })
})
