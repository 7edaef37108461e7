/**
 * Checks every object of a repository and changes nothing: what people call verify. Trees are `archive`'s part.
 * Findings are returned; only what prevents the work is thrown.
 */
import { isKind } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { DamageList } from './damaged-chunks.ts'
import { decodeFormat, FORMAT_NAMES, getIfThere } from './format/format-file.ts'
import { decodeSealedObject, OBJECT_KIND, SealedObjectError } from './format/sealed-object.ts'
import { ChunkIndex } from './index/chunk-index.ts'
import type { PackTable } from './index/pack-table.ts'
import { listKeySlots } from './keys/slot.ts'
import { packName, packOfName } from './pack/pack-format.ts'
import { readPackDirectory, verifyPack } from './pack/pack-reader.ts'
import type { Finding, Repository } from './repository.ts'

export interface VerifiedObjects {
  readonly findings: Finding[]
  /** Of whole packs only: a chunk that is not in it can not be restored. */
  readonly usable: ChunkIndex
  /** Of all packs that were ever listed: says which pack a lost chunk was in. */
  readonly listed: ChunkIndex
  /** What can't be read, for `noteDamage`. */
  readonly damage: DamageList
  readonly packs: number
  readonly bytesRead: number
}

export interface VerifyOptions {
  readonly readData: boolean
  /** Packs that a prune is about to delete: that one is gone, or on the way, is as it should be. */
  readonly doomed?: ReadonlySet<string>
}

export async function verifyObjects(op: Operation, repository: Repository, options: VerifyOptions): Promise<VerifiedObjects> {
  const findings: Finding[] = []
  const report = (code: string, object: string, message: string, severity: Finding['severity'] = 'damage') => {
    findings.push({ code, severity, object, message, recoveryPoints: [] })
  }
  await verifyFormat(op, repository, report)
  await verifySlots(op, repository, report)
  await verifyConfiguration(op, repository, report)
  const loaded = await repository.loadIndex(op, { whole: true })
  for (const name of loaded.damagedSegments)
    report('INDEX_SEGMENT_DAMAGED', name, 'this index segment can not be read; the packs are read instead')
  const packs = await verifyPacks(op, repository, loaded.listed, options, report)
  softenHealed(findings, loaded.index, packs)
  return { findings, listed: loaded.index, ...packs }
}

/** Damage of which every chunk stands in another pack too is no loss. */
function softenHealed(findings: Finding[], listed: ChunkIndex, { usable, damage }: { usable: ChunkIndex; damage: DamageList }): void {
  for (const [i, finding] of findings.entries()) {
    const pack = packOfName(finding.object)
    const chunks = pack === undefined ? undefined : damage.get(pack)
    if (pack === undefined || chunks === undefined || finding.severity !== 'damage') continue
    const ids = chunks === 'all' ? listed.idsIn(pack) : [...chunks].map((id) => Buffer.from(id, 'hex'))
    const isHealed = [...ids].every((id) => usable.find(id) !== undefined)
    if (isHealed) findings[i] = { ...finding, severity: 'hint', message: `${finding.message}; what it held is stored in another pack too` }
  }
}

async function verifySlots(op: Operation, repository: Repository, report: Report): Promise<void> {
  const { damaged } = await listKeySlots(op, repository.store)
  for (const name of damaged) report('KEY_SLOT_DAMAGED', name, 'this copy of a key slot is not what was written')
  const names = new Set<string>()
  for await (const { name } of repository.store.list(op, 'keys/')) names.add(name)
  for (const name of names) {
    const twin = name.endsWith('.key') ? name.replace(/key$/, 'copy') : name.replace(/copy$/, 'key')
    if (!names.has(twin)) report('KEY_SLOT_DAMAGED', twin, 'this copy of a key slot is missing')
  }
}

type Report = (code: string, object: string, message: string, severity?: Finding['severity']) => void

async function verifyFormat(op: Operation, repository: Repository, report: Report): Promise<void> {
  for (const name of FORMAT_NAMES) {
    const bytes = await getIfThere(op, repository.store, name)
    if (!bytes || !decodeFormat(bytes, 'read'))
      report('REPOSITORY_FORMAT_DAMAGED', name, bytes ? 'it is not what was written' : 'it is missing')
  }
}

async function verifyConfiguration(op: Operation, repository: Repository, report: Report): Promise<void> {
  for await (const { name } of repository.store.list(op, 'conf/')) {
    try {
      const bytes = await getIfThere(op, repository.store, name)
      // Undefined: replaced by the next of its topic since the list was made.
      if (bytes) decodeSealedObject(repository.keys, OBJECT_KIND.configuration, name.replace(/\.conf$/, ''), bytes)
    } catch (error) {
      if (!(error instanceof SealedObjectError)) throw error
      report('CONFIGURATION_DAMAGED', name, error.message)
    }
  }
}

async function verifyPacks(op: Operation, repository: Repository, listed: PackTable, options: VerifyOptions, report: Report) {
  const { readData, doomed = new Set() } = options
  const usable = new ChunkIndex()
  const lost = new Map<string, Set<string> | 'all'>()
  const missing = new Map(listed.entries())
  const present: { sha256: string; sizeBytes: number; name: string }[] = []
  for await (const { name, sizeBytes } of repository.store.list(op, 'packs/')) {
    const sha256 = packOfName(name)
    if (sha256 === undefined) report('STORAGE_NAME_INVALID', name, 'this is no pack', 'hint')
    else present.push({ sha256, sizeBytes, name })
  }
  let bytesRead = 0
  let done = 0
  const bytesTotal = present.reduce((sum, pack) => sum + pack.sizeBytes, 0)
  for (const { sha256, sizeBytes, name } of present) {
    op.check()
    missing.delete(sha256)
    if (!listed.has(sha256) && !doomed.has(sha256))
      report('PACK_UNLISTED', name, 'no index segment lists this pack; the next backup takes it in', 'hint')
    try {
      const { records, damage } = readData
        ? await verifyPack(op, repository.store, repository.keys, sha256)
        : { records: await readPackDirectory(op, repository.store, repository.keys, sha256, sizeBytes), damage: [] }
      for (const error of damage) report(error.code, name, error.message, doomed.has(sha256) ? 'hint' : 'damage')
      const chunks = damage.flatMap(({ context }) => (typeof context.chunk === 'string' ? [context.chunk] : []))
      if (chunks.length > 0) lost.set(sha256, new Set(chunks))
      usable.addPack({ sha256, sizeBytes, records })
      if (readData) bytesRead += sizeBytes
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error
      report(error.code, name, error.message, doomed.has(sha256) ? 'hint' : 'damage')
      lost.set(sha256, 'all')
    }
    op.progress({
      phase: 'packs',
      filesDone: ++done,
      filesTotal: present.length,
      bytesDone: bytesRead,
      bytesTotal: readData ? bytesTotal : 0,
    })
  }
  for (const sha256 of missing.keys()) {
    if (doomed.has(sha256)) continue
    report('PACK_MISSING', packName(sha256), 'the index lists this pack, and it is not there')
    lost.set(sha256, 'all')
  }
  return { usable, damage: lost, packs: present.length, bytesRead }
}
