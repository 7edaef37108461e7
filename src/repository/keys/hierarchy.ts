/** Keys and what is made of them: docs/format.md §5, §7. A KeyBundle is the secret that slots wrap; the rest is derived. */
import { createHash, createHmac, hash, hkdfSync } from 'node:crypto'
import type { Random } from '../../base/random.ts'
import { blake3, createBlake3 } from '../../hashing/index.ts'
import { keyObject } from './key-object.ts'

const BUNDLE_BYTES = 96

/** The chunk types of docs/format.md §7. */
export const CHUNK_TYPE = { data: 1, page: 2, list: 3 } as const
export type ChunkType = (typeof CHUNK_TYPE)[keyof typeof CHUNK_TYPE]

export interface KeyBundle {
  readonly masterKey: Uint8Array
  readonly idKey: Uint8Array
  readonly chunkingKey: Uint8Array
}

/** By the name that FORMAT gives it; docs/format.md §4. BLAKE3 is a third of the work of SHA-256 where the processor has no instructions for that. */
export type HashName = 'sha256' | 'blake3'

export interface RepositoryHashes {
  /** Of a chunk's content, before it is keyed. */
  readonly contentHash: HashName
  /** Of an object's bytes, in its name. */
  readonly objectHash: HashName
}

/** What version 1 has. */
export const SHA256_HASHES: RepositoryHashes = { contentHash: 'sha256', objectHash: 'sha256' }

/** Plain values only: it is handed to worker threads of this process. */
export interface RepositoryKeys extends RepositoryHashes {
  /** 16 bytes: part of all associated data, so that no object passes for one of another repository. */
  readonly repositoryId: Uint8Array
  readonly dataKey: Uint8Array
  readonly metaKey: Uint8Array
  readonly idKey: Uint8Array
  readonly chunkingKey: Uint8Array
}

export function makeKeyBundle(random: Random, shared?: Pick<KeyBundle, 'idKey' | 'chunkingKey'>): KeyBundle {
  return {
    masterKey: random.bytes(32),
    idKey: shared?.idKey ?? random.bytes(32),
    chunkingKey: shared?.chunkingKey ?? random.bytes(32),
  }
}

export function encodeKeyBundle(bundle: KeyBundle): Buffer {
  return Buffer.concat([bundle.masterKey, bundle.idKey, bundle.chunkingKey])
}

/** Undefined when the length is wrong. */
export function decodeKeyBundle(bytes: Uint8Array): KeyBundle | undefined {
  if (bytes.length !== BUNDLE_BYTES) return undefined
  return { masterKey: bytes.slice(0, 32), idKey: bytes.slice(32, 64), chunkingKey: bytes.slice(64, 96) }
}

export function deriveKeys(bundle: KeyBundle, repositoryId: string, hashes: RepositoryHashes = SHA256_HASHES): RepositoryKeys {
  return {
    contentHash: hashes.contentHash,
    objectHash: hashes.objectHash,
    repositoryId: new Uint8Array(Buffer.from(repositoryId, 'hex')),
    dataKey: hkdf(bundle.masterKey, '', 'terp/1/data', 32),
    metaKey: hkdf(bundle.masterKey, '', 'terp/1/meta', 32),
    idKey: bundle.idKey,
    chunkingKey: bundle.chunkingKey,
  }
}

export function hkdf(key: Uint8Array, salt: Uint8Array | string, info: string, lengthBytes: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, info, lengthBytes))
}

/** A key and the commitment that is compared before anything is decrypted with it (GCM alone commits to no key). */
export function deriveObjectKey(key: Uint8Array, salt: Uint8Array, info: string): { key: Uint8Array; commitment: Uint8Array } {
  const both = hkdf(key, salt, info, 64)
  return { key: both.subarray(0, 32), commitment: both.subarray(32) }
}

/** 32 bytes. The content's plain hash never leaves the process. */
export function chunkId(keys: RepositoryKeys, type: ChunkType, content: Uint8Array): Buffer {
  const plain = HASH[keys.contentHash](content)
  return createHmac('sha256', keyObject(keys.idKey)).update(plain).update(Uint8Array.of(type)).digest()
}

const HASH = { sha256: (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer'), blake3 } as const

/** The 64 hexadecimal digits in an object's name: its hash. */
export function objectHash(keys: RepositoryHashes, bytes: Uint8Array): string {
  return HASH[keys.objectHash](bytes).toString('hex')
}

/** The same, of bytes that come in parts. */
export function objectHasher(keys: Pick<RepositoryHashes, 'objectHash'>): { update(bytes: Uint8Array): void; digest(): string } {
  const hasher = keys.objectHash === 'blake3' ? createBlake3() : createHash('sha256')
  return { update: (bytes) => void hasher.update(bytes), digest: () => hasher.digest().toString('hex') }
}

export function sourceId(keys: RepositoryKeys, sourceName: string): string {
  return createHmac('sha256', keys.idKey).update('terp/1/source').update(sourceName, 'utf8').digest('hex').slice(0, 32)
}

const CUTTER_KEY_BYTES = { gear32: 1024, sieve: 32 } as const

/** What a cutter of the algorithm is keyed with. */
export function cutterKey(keys: RepositoryKeys, algorithm: keyof typeof CUTTER_KEY_BYTES): Uint8Array {
  return hkdf(keys.chunkingKey, '', `terp/1/${algorithm}`, CUTTER_KEY_BYTES[algorithm])
}

/** Seed of the page rule in docs/format.md §9.1. */
export function pageSeed(keys: RepositoryKeys): number {
  return Buffer.from(hkdf(keys.chunkingKey, '', 'terp/1/page', 4)).readUInt32LE(0)
}
