/** `VaultStore` against a real vault on 127.0.0.1. What it does about networks that fail and vaults that lie: src/storage/vault-store.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import { type ByteRange, checkObjectName, checkObjectPrefix, type ObjectInfo, type ObjectStore } from '../storage/index.ts'
import { describeObjectStore } from '../storage/object-store.contract.ts'
import { aVault } from './vault.fixture.ts'

/**
 * The contract puts any bytes under names like `packs/…`, which a vault refuses unless the name is their hash. So each name gets a folder before it;
 * the order of names stays.
 */
class BelowFolder implements ObjectStore {
  readonly description = 'below a folder'
  readonly #inner: ObjectStore

  constructor(inner: ObjectStore) {
    this.#inner = inner
  }

  async put(op: Operation, name: string, bytes: Uint8Array) {
    checkObjectName(name)
    return await this.#inner.put(op, `x/${name}`, bytes)
  }

  async get(op: Operation, name: string, range?: ByteRange) {
    checkObjectName(name)
    return await this.#inner.get(op, `x/${name}`, range)
  }

  async head(op: Operation, name: string) {
    checkObjectName(name)
    const info = await this.#inner.head(op, `x/${name}`)
    return info && { ...info, name }
  }

  async *list(op: Operation, prefix: string): AsyncGenerator<ObjectInfo> {
    checkObjectPrefix(prefix)
    for await (const info of this.#inner.list(op, `x/${prefix}`)) yield { ...info, name: info.name.slice(2) }
  }
}

describeObjectStore('VaultStore', async (t) => {
  const vault = await aVault(t, { isRealTime: true })
  const { store } = await vault.server('alpha')
  return new BelowFolder(store)
})

test('names that are none do not reach the vault', async (t) => {
  const vault = await aVault(t)
  const { store } = await vault.server('alpha')
  await vault.stop()
  for (const name of ['', '..', 'a/../b', '/x', 'a%2Fb', 'a?b', 'a#b', 'a b', 'LOCK', 'tmp/a', 'a\0', 'a'.repeat(301)]) {
    const isRefused = (error: unknown) => hasCode(error, 'STORAGE_NAME_INVALID')
    await assert.rejects(store.put(vault.op, name, Buffer.from('x')), isRefused, name)
    await assert.rejects(store.get(vault.op, name), isRefused, name)
    await assert.rejects(store.head(vault.op, name), isRefused, name)
  }
  await assert.rejects(store.list(vault.op, '../')[Symbol.asyncIterator]().next(), (error) => hasCode(error, 'STORAGE_NAME_INVALID'))
})
