/** What people hold: a passphrase, a key file, or the 24 words of a recovery key (docs/format.md §5). */
import { createRequire } from 'node:module'
import type { Random } from '../../base/random.ts'
import { repositoryError } from '../errors.ts'

export type Secret =
  | { readonly kind: 'passphrase'; readonly text: string }
  | { readonly kind: 'key-file'; readonly bytes: Uint8Array }
  | { readonly kind: 'recovery'; readonly bytes: Uint8Array }

interface RecoveryWords {
  readonly wordlist: readonly string[]
  readonly toEntropy: (words: string) => Uint8Array
  readonly toWords: (entropy: Uint8Array) => string
}

let loaded: RecoveryWords | undefined
/** BIP-39, loaded when somebody comes with 24 words or wants some: few commands do, and loading is most of the time of a short one. */
function recoveryWords(): RecoveryWords {
  if (loaded) return loaded
  const require = createRequire(import.meta.url)
  const bip39 = require('@scure/bip39') as typeof import('@scure/bip39')
  const { wordlist } = require('@scure/bip39/wordlists/english.js') as typeof import('@scure/bip39/wordlists/english.js')
  const toEntropy = (words: string) => bip39.mnemonicToEntropy(words, wordlist)
  loaded = { wordlist, toEntropy, toWords: (entropy) => bip39.entropyToMnemonic(entropy, wordlist) }
  return loaded
}

/** The domain's rule (S: passphrase): at least 16 characters, ASCII. Line ends around it are not part of it. */
export function parsePassphrase(text: string): Secret {
  const passphrase = text.replace(/[\r\n]+$/, '')
  if (passphrase.length < 16) {
    throw repositoryError('PASSPHRASE_INVALID', `the passphrase has ${passphrase.length} characters, fewer than 16`)
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is the ASCII range itself
  if (!/^[\x00-\x7f]*$/.test(passphrase)) throw repositoryError('PASSPHRASE_INVALID', 'the passphrase has a character that is not ASCII')
  return { kind: 'passphrase', text: passphrase }
}

export function parseKeyFile(bytes: Uint8Array): Secret {
  const text = asText(bytes)?.trim()
  const words = text?.replace(/^#.*$/gm, '').trim().toLowerCase().split(/\s+/) ?? []
  if (words.length === 24 && words.every((word) => recoveryWords().wordlist.includes(word))) return parseRecoveryWords(words.join(' '))
  const secret = text === undefined ? bytes : Buffer.from(text)
  if (secret.length < 32) throw repositoryError('KEY_FILE_INVALID', `the key file holds ${secret.length} bytes, fewer than 32`)
  return { kind: 'key-file', bytes: secret }
}

function parseRecoveryWords(words: string): Secret {
  try {
    return { kind: 'recovery', bytes: recoveryWords().toEntropy(words) }
  } catch (error) {
    throw repositoryError('KEY_FILE_INVALID', 'the checksum of the 24 words is wrong: one of them is not as it was printed', {
      cause: error,
    })
  }
}

export function makeRecoveryKey(random: Random): { secret: Secret; words: string } {
  const bytes = random.bytes(32)
  return { secret: { kind: 'recovery', bytes }, words: recoveryWords().toWords(bytes) }
}

/** About 103 bits: eight words, readable over a telephone. */
export function makePassphrase(random: Random): string {
  const { wordlist } = recoveryWords()
  const draw = Buffer.from(random.bytes(16))
  return Array.from({ length: 8 }, (_, i) => wordlist[draw.readUInt16LE(i * 2) % 2048]).join('-')
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters tell bytes from text
    return /[\x00-\x08\x0e-\x1f]/.test(text) ? undefined : text
  } catch {
    return undefined // not UTF-8: the bytes themselves are the secret
  }
}
