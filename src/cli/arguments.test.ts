import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { bytesOf, escapeBytes, pathInPoint, plainText, rawArguments, resolvePath } from './arguments.ts'

const commandLine = (...parts: (string | Buffer)[]) => Buffer.concat(parts.flatMap((part) => [Buffer.from(part), Buffer.from([0])]))
const BAD = Buffer.from([0x62, 0xff, 0xfe, 0xc3])

describe('arguments', () => {
  it('survive as bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        assert.deepEqual(bytesOf(escapeBytes(Buffer.from(bytes))), Buffer.from(bytes))
      }),
      { seed: 1 },
    )
  })

  it('are taken from the end of the command line, so that options of Node do not count', () => {
    const line = commandLine('/usr/bin/node', '--flag', 'main.ts', 'pool', BAD)
    const [first, second] = rawArguments(['pool', BAD.toString('utf8')], line)
    assert.equal(first, 'pool')
    assert.deepEqual(bytesOf(second ?? ''), BAD)
  })

  it('keep empty ones in their places', () => {
    assert.deepEqual(rawArguments(['', 'a', ''], commandLine('node', 'main.ts', '', 'a', '')), ['', 'a', ''])
  })

  it('are what Node says when the command line is another one or unknown', () => {
    assert.deepEqual(rawArguments(['a'], commandLine('node', 'main.ts', 'b')), ['a'])
    assert.deepEqual(rawArguments(['a', 'b'], commandLine('b')), ['a', 'b'])
    assert.deepEqual(rawArguments([], commandLine('node')), [])
  })

  it('that Terp opens itself must be UTF-8 and not empty', () => {
    assert.equal(plainText('naïve', 'it'), 'naïve')
    assert.throws(() => plainText(escapeBytes(BAD), 'it'), { code: 'USAGE_NAME_INVALID' })
    assert.throws(() => plainText('', 'it'), { code: 'USAGE_INVALID' })
  })
})

describe('resolvePath', () => {
  const resolve = (base: string, path: string) => resolvePath(Buffer.from(base), Buffer.from(path)).toString()

  it('makes paths absolute and plain', () => {
    assert.equal(resolve('/home/ann', 'a/./b//c/'), '/home/ann/a/b/c')
    assert.equal(resolve('/home/ann', '../bob'), '/home/bob')
    assert.equal(resolve('/home/ann', '/etc/'), '/etc')
    assert.equal(resolve('/home', '../../..'), '')
    assert.equal(resolve('/home', '...'), '/home/...')
  })

  it('leaves bytes that are not UTF-8 as they are', () => {
    assert.deepEqual(resolvePath(Buffer.from('/x'), BAD), Buffer.concat([Buffer.from('/x/'), BAD]))
  })

  it('gives paths in a recovery point without their first slash', () => {
    assert.equal(pathInPoint('/home/ann/').toString(), 'home/ann')
    assert.equal(pathInPoint('home/ann').toString(), 'home/ann')
    assert.equal(pathInPoint('/').toString(), '')
  })
})
