import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { makePassphrase, makeRecoveryKey, parseKeyFile, parsePassphrase } from './secret.ts'

test('a passphrase has at least 16 characters', () => {
  assert.throws(() => parsePassphrase('x'.repeat(15)), { code: 'PASSPHRASE_INVALID' })
  assert.deepEqual(parsePassphrase('x'.repeat(16)), { kind: 'passphrase', text: 'x'.repeat(16) })
})

test('a passphrase is ASCII', () => {
  assert.throws(() => parsePassphrase('sixteen chars ör so'), { code: 'PASSPHRASE_INVALID' })
})

test('line ends after a passphrase are not part of it and do not count', () => {
  assert.deepEqual(parsePassphrase(`${'x'.repeat(16)}\r\n\n`), { kind: 'passphrase', text: 'x'.repeat(16) })
  assert.throws(() => parsePassphrase(`${'x'.repeat(15)}\n`), { code: 'PASSPHRASE_INVALID' })
})

test('blanks at the ends of a passphrase are part of it', () => {
  assert.deepEqual(parsePassphrase('  fourteen chars  '), { kind: 'passphrase', text: '  fourteen chars  ' })
})

test('a made passphrase is one, and another each time', () => {
  const random = seededRandom('passphrase')
  const made = makePassphrase(random)
  assert.equal(made.split('-').length, 8)
  assert.equal(parsePassphrase(made).kind, 'passphrase')
  assert.notEqual(makePassphrase(random), made)
})

test('a key file of bytes is those bytes', () => {
  const bytes = Buffer.from(seededRandom('key file').bytes(32))
  bytes[0] = 0xff
  assert.deepEqual(parseKeyFile(bytes), { kind: 'key-file', bytes })
})

test('bytes that end like a line keep their end', () => {
  const bytes = Buffer.concat([Buffer.alloc(32, 0x01), Buffer.from('\n')])
  assert.deepEqual(parseKeyFile(bytes), { kind: 'key-file', bytes })
})

test('a key file of text is its characters without white space at the ends', () => {
  const hex = 'ab'.repeat(32)
  assert.deepEqual(parseKeyFile(Buffer.from(`${hex}\n`)), { kind: 'key-file', bytes: Buffer.from(hex) })
})

test('a key file that is too short is refused, also when only blanks make it long', () => {
  for (const content of [Buffer.alloc(31, 0xff), Buffer.from('ab'.repeat(15)), Buffer.from(`short${' '.repeat(60)}`), Buffer.alloc(0)]) {
    assert.throws(() => parseKeyFile(content), { code: 'KEY_FILE_INVALID' })
  }
})

test('the 24 words of a recovery key give back its bytes', () => {
  const { secret, words } = makeRecoveryKey(seededRandom('recovery'))
  assert.equal(words.split(' ').length, 24)
  assert.deepEqual(parseKeyFile(Buffer.from(words)), secret)
})

test('the words may be printed with comments, in capitals, over several lines', () => {
  const { secret, words } = makeRecoveryKey(seededRandom('printed'))
  const list = words.toUpperCase().split(' ')
  const printed = `# recovery key of the pool\n${list.slice(0, 12).join('  ')}\n# second half\n${list.slice(12).join('\n')}\n`
  assert.deepEqual(parseKeyFile(Buffer.from(printed)), secret)
})

test('one wrong word is refused', () => {
  const { words } = makeRecoveryKey(seededRandom('wrong word'))
  const list = words.split(' ')
  for (let n = 0; n < 24; n++) {
    // Another word changes 11 bits; the checksum has 8, so one word in 256 would pass: these are known not to.
    const changed = list.with(n, list[n] === 'abandon' ? 'ability' : 'abandon')
    assert.throws(() => parseKeyFile(Buffer.from(changed.join(' '))), { code: 'KEY_FILE_INVALID' }, `word ${n}`)
  }
})

test('two words that changed places are refused', () => {
  const list = makeRecoveryKey(seededRandom('swapped')).words.split(' ')
  const swapped = list.with(3, list[4] as string).with(4, list[3] as string)
  assert.throws(() => parseKeyFile(Buffer.from(swapped.join(' '))), { code: 'KEY_FILE_INVALID' })
})
