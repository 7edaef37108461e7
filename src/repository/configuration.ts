/** Sealed configuration of a pool: docs/format.md §12. A change is a new object with a higher number; the highest of a topic counts. */
import { hasCode } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { PruningStore } from '../storage/index.ts'
import { repositoryError } from './errors.ts'
import { decodeSealedObject, encodeSealedObject, OBJECT_KIND, SealedObjectError } from './format/sealed-object.ts'
import type { Repository } from './repository.ts'

const NAME = /^conf\/([0-9]{12})-([a-z]+)\.conf$/

/** Undefined when nothing was ever written under the topic; CONFIGURATION_DAMAGED. */
export async function readConfiguration(op: Operation, repository: Repository, topic: string): Promise<unknown> {
  for (;;) {
    const name = (await listTopic(op, repository, topic)).at(-1)
    if (name === undefined) return undefined
    try {
      const bytes = await repository.store.get(op, name)
      const { body } = decodeSealedObject(repository.keys, OBJECT_KIND.configuration, name.replace(/\.conf$/, ''), bytes)
      return JSON.parse(body.toString('utf8'))
    } catch (error) {
      // Replaced since the list was made.
      if (hasCode(error, 'STORAGE_OBJECT_NOT_FOUND')) continue
      if (!(error instanceof SealedObjectError)) throw error
      throw repositoryError('CONFIGURATION_DAMAGED', `${name} can not be read: ${error.message}`, { context: { object: name } })
    }
  }
}

/** Answers with the object's name. Of several that write at once, each does, and the last one counts: who changes what is there does it alone. */
export async function writeConfiguration(op: Operation, repository: Repository, topic: string, value: object): Promise<string> {
  for (;;) {
    try {
      return await writeNext(op, repository, topic, value)
    } catch (error) {
      if (!hasCode(error, 'STORAGE_OBJECT_EXISTS')) throw error
    }
  }
}

async function writeNext(op: Operation, repository: Repository, topic: string, value: object): Promise<string> {
  const last = (await listTopic(op, repository, topic)).at(-1)
  const number = (last ? Number(NAME.exec(last)?.[1]) : 0) + 1
  const place = `conf/${String(number).padStart(12, '0')}-${topic}`
  const { bytes } = encodeSealedObject(op.random, repository.keys, {
    kind: OBJECT_KIND.configuration,
    place,
    body: Buffer.from(JSON.stringify(value)),
  })
  const name = `${place}.conf`
  await repository.store.put(op, name, bytes)
  return name
}

/** Removes what was written under the topic, or what was written `before` one object, where the store can remove. */
export async function removeConfiguration(op: Operation, repository: Repository, topic: string, before?: string): Promise<void> {
  const store = repository.store as Partial<PruningStore>
  if (!store.remove) return
  for (const name of await listTopic(op, repository, topic)) if (before === undefined || name < before) await store.remove(op, name)
}

async function listTopic(op: Operation, repository: Repository, topic: string): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of repository.store.list(op, 'conf/')) if (NAME.exec(name)?.[2] === topic) names.push(name)
  return names
}
