import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anOperation, aPool, KEY_FILE } from '../../../test/support/pool.ts'
import { MemoryStore } from '../../storage/index.ts'
import { encodeCheckedLine } from '../format/checked-line.ts'
import { Repository } from '../repository.ts'
import { encodeKeyBundle, makeKeyBundle } from './hierarchy.ts'
import { makeRecoveryKey, parsePassphrase, type Secret } from './secret.ts'
import { addKeySlot, type KeySlot, listKeySlots, unwrapBundle } from './slot.ts'

/** The least that a reader accepts, so that the tests of Argon2id stay short. */
const COSTS = { memoryKib: 65_536, passes: 3 }
const REPOSITORY_ID = 'ab'.repeat(16)
const PASSPHRASE = parsePassphrase('correct horse battery staple')

async function aSlot(secret: Secret, seed = `slot ${secret.kind}`) {
  const op = anOperation(seed)
  const store = new MemoryStore()
  const bundle = makeKeyBundle(op.random)
  const slot = await addKeySlot(op, store, { repositoryId: REPOSITORY_ID, bundle, secret, label: 'test', costs: COSTS })
  return { op, store, bundle, slot }
}

const recoverySecret = (seed: string) => makeRecoveryKey(anOperation(seed).random).secret

test('a bundle that was wrapped with a secret is unwrapped with it, whatever its kind', async () => {
  for (const secret of [PASSPHRASE, KEY_FILE, recoverySecret('words')]) {
    const { bundle, slot } = await aSlot(secret)
    const back = unwrapBundle(slot, REPOSITORY_ID, secret)
    assert.deepEqual(back && encodeKeyBundle(back), encodeKeyBundle(bundle))
  }
})

test('a slot does not open with another secret of its kind or of another', async () => {
  const { slot } = await aSlot(KEY_FILE)
  assert.equal(unwrapBundle(slot, REPOSITORY_ID, { kind: 'key-file', bytes: Buffer.alloc(32, 8) }), undefined)
  assert.equal(unwrapBundle(slot, REPOSITORY_ID, PASSPHRASE), undefined)
  const ofPassphrase = await aSlot(PASSPHRASE)
  assert.equal(unwrapBundle(ofPassphrase.slot, REPOSITORY_ID, parsePassphrase('correct horse battery stapler')), undefined)
})

test('a slot that was moved to another repository, renamed, or changed in its parameters is refused', async () => {
  const { slot } = await aSlot(KEY_FILE)
  assert.throws(() => unwrapBundle(slot, 'cd'.repeat(16), KEY_FILE), { code: 'KEY_SLOT_DAMAGED' })
  assert.throws(() => unwrapBundle({ ...slot, slot: '00'.repeat(8) }, REPOSITORY_ID, KEY_FILE), { code: 'KEY_SLOT_DAMAGED' })
  const wrapped = Buffer.from(slot.wrapped, 'base64')
  wrapped[0] = (wrapped[0] as number) ^ 1
  assert.throws(() => unwrapBundle({ ...slot, wrapped: wrapped.toString('base64') }, REPOSITORY_ID, KEY_FILE), { code: 'KEY_SLOT_DAMAGED' })
})

test('two slots of one secret share neither salt nor key', async () => {
  const one = await aSlot(KEY_FILE, 'one')
  const two = await aSlot(KEY_FILE, 'two')
  assert.notEqual(one.slot.kdf.salt, two.slot.kdf.salt)
  assert.notEqual(one.slot.commit, two.slot.commit)
})

test('a slot that asks for too little work, or for all memory, is refused before any is done', async () => {
  const { slot } = await aSlot(PASSPHRASE)
  const salt = slot.kdf.salt
  const derivations: object[] = [
    { memory_kib: 65_535, passes: 3 },
    { memory_kib: 65_536, passes: 2 },
    { memory_kib: 1_048_577, passes: 3 },
    { memory_kib: 65_536, passes: 11 },
    { memory_kib: 65_536, passes: 3, parallelism: 2 },
    { memory_kib: 65_536, passes: 3, parallelism: 0 },
    { passes: 3 },
    { memory_kib: 65_536 },
    { memory_kib: 'all', passes: 3 },
    { memory_kib: 65_536.5, passes: 3 },
  ]
  for (const derivation of derivations) {
    const kdf = { name: 'argon2id', parallelism: 1, salt, ...derivation } as KeySlot['kdf']
    assert.throws(() => unwrapBundle({ ...slot, kdf }, REPOSITORY_ID, PASSPHRASE), { code: 'KEY_DERIVATION_REFUSED' }, JSON.stringify(kdf))
  }
})

test('a passphrase slot without key derivation is refused: anybody could try passphrases on it at full speed', async () => {
  const { slot } = await aSlot(PASSPHRASE)
  const kdf = { name: 'none', salt: slot.kdf.salt } as const
  assert.throws(() => unwrapBundle({ ...slot, kdf }, REPOSITORY_ID, PASSPHRASE), { code: 'KEY_DERIVATION_REFUSED' })
})

test('a slot is written twice, and a damaged copy is named while the other serves', async () => {
  const { op, store, slot } = await aSlot(KEY_FILE)
  store.tamper(`keys/${slot.slot}.key`, (bytes) => Buffer.concat([bytes.subarray(0, 10), Buffer.from('X'), bytes.subarray(11)]))
  const { slots, damaged } = await listKeySlots(op, store)
  assert.deepEqual(slots, [slot])
  assert.deepEqual(damaged, [`keys/${slot.slot}.key`])
})

test('every flipped bit of a slot is found', async () => {
  const { op, store, slot } = await aSlot(KEY_FILE)
  const name = `keys/${slot.slot}.key`
  const bytes = await store.get(op, name)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    store.tamper(name, () => flipped)
    assert.deepEqual((await listKeySlots(op, store)).damaged, [name], `bit ${bit}`)
  }
})

test('a slot under the name of another one is refused', async () => {
  const { op, store, slot } = await aSlot(KEY_FILE)
  await store.put(op, 'keys/0000000000000000.key', encodeCheckedLine(slot))
  assert.deepEqual((await listKeySlots(op, store)).damaged, ['keys/0000000000000000.key'])
})

async function aPoolWithSlots() {
  const op = anOperation('pool with slots')
  const store = new MemoryStore()
  const repository = await aPool(op, { store })
  const recovery = recoverySecret('second slot')
  const other = await addKeySlot(op, store, {
    repositoryId: repository.format.repositoryId,
    bundle: repository.bundle,
    secret: recovery,
    label: 'recovery key',
  })
  const first = (await listKeySlots(op, store)).slots.find(({ slot }) => slot !== other.slot)
  assert.ok(first)
  const damage = (slot: KeySlot, copies: readonly string[]) => {
    for (const copy of copies) store.tamper(`keys/${slot.slot}.${copy}`, () => Buffer.from('damaged'))
  }
  return { op, store, repository, recovery, first, damage }
}

test('a pool opens with each of its secrets, and tells a wrong one', async () => {
  const { op, store, recovery } = await aPoolWithSlots()
  await Repository.open(op, store, KEY_FILE)
  await Repository.open(op, store, recovery)
  assert.deepEqual(op.warnings, [])
  await assert.rejects(Repository.open(op, store, { kind: 'key-file', bytes: Buffer.alloc(32, 9) }), { code: 'SECRET_WRONG' })
  await assert.rejects(Repository.open(op, store, recoverySecret('of another pool')), { code: 'SECRET_WRONG' })
})

test('a pool whose slot has one damaged copy opens with a warning', async () => {
  const { op, store, first, damage } = await aPoolWithSlots()
  damage(first, ['key'])
  await Repository.open(op, store, KEY_FILE)
  assert.deepEqual(
    op.warnings.map(({ code, item }) => `${code} ${item}`),
    [`KEY_SLOT_DAMAGED keys/${first.slot}.key`],
  )
})

test('a pool whose slot is damaged in both copies says so to its secret, and opens with another', async () => {
  const { op, store, recovery, first, damage } = await aPoolWithSlots()
  damage(first, ['key', 'copy'])
  await assert.rejects(Repository.open(op, store, KEY_FILE), { code: 'KEY_SLOT_DAMAGED' })
  await Repository.open(op, store, recovery)
})
