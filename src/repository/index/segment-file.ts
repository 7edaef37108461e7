/** A segment held open: its head in memory, its blocks read when they are asked for. It reads on when a merge has removed its name. */
import { hasCode } from '../../base/errors.ts'
import type { OpenObject } from '../../storage/index.ts'
import { SealedObjectError } from '../format/sealed-object.ts'
import type { RepositoryKeys } from '../keys/hierarchy.ts'
import { type BlockKeys, blockPlace, decodeSegmentHead, headBytesOf, openBlock, SEGMENT_START_BYTES, type SegmentHead } from './segment.ts'

/** Enough for the head of a segment of one backup; a larger one takes a second read. */
const FIRST_READ_BYTES = 16_384

export class SegmentFile {
  readonly name: string
  readonly head: SegmentHead
  readonly #keys: RepositoryKeys
  readonly object: OpenObject

  private constructor(keys: RepositoryKeys, name: string, head: SegmentHead, object: OpenObject) {
    this.#keys = keys
    this.name = name
    this.head = head
    this.object = object
  }

  /** SealedObjectError when its head can't be read. */
  static open(keys: RepositoryKeys, name: string, object: OpenObject): SegmentFile {
    const { sizeBytes } = object
    if (sizeBytes < SEGMENT_START_BYTES) throw new SealedObjectError(`it has only ${sizeBytes} bytes`)
    const start = readOrFail(object, 0, Math.min(FIRST_READ_BYTES, sizeBytes))
    const headBytes = headBytesOf(start)
    if (headBytes > sizeBytes) throw new SealedObjectError(`it has ${sizeBytes} bytes, its head ends at ${headBytes}`)
    const bytes = headBytes <= start.length ? start.subarray(0, headBytes) : readOrFail(object, 0, headBytes)
    return new SegmentFile(keys, name, decodeSegmentHead(keys, bytes, sizeBytes), object)
  }

  /** SealedObjectError. */
  block(number: number): Buffer {
    return readBlock(this.#keys, this.object, this.head, number)
  }

  close(): void {
    this.object.close()
  }
}

export function readBlock(
  keys: BlockKeys,
  object: OpenObject,
  segment: Pick<SegmentHead, 'blocksAt' | 'perBlock' | 'count' | 'key'>,
  number: number,
): Buffer {
  const { offset, length } = blockPlace(segment, number)
  return openBlock(keys, segment.key, number, readOrFail(object, offset, length))
}

function readOrFail(object: OpenObject, offset: number, length: number): Buffer {
  try {
    return object.read(offset, length)
  } catch (error) {
    if (hasCode(error, 'STORAGE_OBJECT_SHORT')) throw new SealedObjectError('it is cut short')
    throw error
  }
}
