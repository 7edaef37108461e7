/**
 * Passwords: argon2id, in the usual text form `$argon2id$v=19$m=…,t=…,p=1$salt$hash`, so the costs can be raised later. Two at a time, and of at
 * most 1,024 bytes: a hash takes 64 MiB, and many at once must not take all memory.
 */
import { argon2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Random } from '../../base/random.ts'
import { Semaphore } from '../../base/semaphore.ts'
import { passwordLimits } from '../../wire/index.ts'
import { authError } from './errors.ts'
import { passwordCosts } from './policy.ts'

export interface PasswordCosts {
  readonly memoryKib: number
  readonly passes: number
}

const AT_ONCE = 2
const SALT_BYTES = 16
const HASH_BYTES = 32
const FORM = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/
const derive = promisify(argon2)

export class Passwords {
  readonly #random: Random
  readonly #costs: PasswordCosts
  readonly #turns = new Semaphore(AT_ONCE)
  /** Of a password that nobody has. */
  #dummy: Promise<string> | undefined

  constructor(random: Random, costs: PasswordCosts = passwordCosts) {
    this.#random = random
    this.#costs = costs
  }

  /** So that the first unknown name takes no longer than the second. */
  async prepare(): Promise<void> {
    this.#dummy ??= this.hash('')
    await this.#dummy
  }

  async hash(password: string): Promise<string> {
    const salt = Buffer.from(this.#random.bytes(SALT_BYTES))
    const { memoryKib, passes } = this.#costs
    const hash = await this.#derive(password, salt, this.#costs)
    return `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${toText(salt)}$${toText(hash)}`
  }

  /** `hash` undefined: there is no such account. That takes as long as a wrong password, and is answered like one. */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    this.#dummy ??= this.hash('')
    const [, memory, passes, salt = '', expected = ''] = FORM.exec(hash ?? (await this.#dummy)) ?? []
    const isReadable = expected !== ''
    const costs = isReadable ? { memoryKib: Number(memory), passes: Number(passes) } : this.#costs
    const actual = await this.#derive(password, Buffer.from(salt.padEnd(22, 'A'), 'base64'), costs)
    const isEqual = timingSafeEqual(actual, Buffer.from(expected.padEnd(43, 'A'), 'base64'))
    return isEqual && isReadable && hash !== undefined
  }

  isOutdated(hash: string): boolean {
    const match = FORM.exec(hash)
    return Number(match?.[1]) !== this.#costs.memoryKib || Number(match?.[2]) !== this.#costs.passes
  }

  async #derive(password: string, salt: Buffer, { memoryKib, passes }: PasswordCosts): Promise<Buffer> {
    const message = Buffer.from(password.normalize('NFC'))
    if (message.length > passwordLimits.mostBytes) throw authError('AUTH_FAILED', 'the password is longer than any that could be set')
    const parameters = { message, nonce: salt, memory: memoryKib, passes, parallelism: 1, tagLength: HASH_BYTES }
    return await this.#turns.run(() => derive('argon2id', parameters))
  }
}

/** AUTH_PASSWORD_WEAK. Length is what counts (the shape sees to it); this is for what is long and still the first that one would try. */
export function checkNewPassword(password: string, accountName: string): void {
  const lower = password.toLowerCase()
  if (Buffer.byteLength(password.normalize('NFC')) > passwordLimits.mostBytes)
    throw authError('AUTH_PASSWORD_WEAK', 'the password is too long')
  if (accountName.length >= 4 && lower.includes(accountName.toLowerCase()))
    throw authError('AUTH_PASSWORD_WEAK', 'the password holds the name')
  if (new Set(lower).size < 6) throw authError('AUTH_PASSWORD_WEAK', 'the password has fewer than six different characters')
}

function toText(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
