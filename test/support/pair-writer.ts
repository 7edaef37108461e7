/**
 * A program that writes pairs: a number into the left file, then the same into the right one, over and over. At any one moment the left has the right's number or the next. The
 * names of the left files come first in the order of a walk and those of the right ones last.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'

export const PAIRS = 20
const DIGITS = 10

export function pairFolders(folder: string): { readonly left: string; readonly right: string } {
  return { left: join(folder, 'a-left'), right: join(folder, 'z-right') }
}

const text = (number: number) => String(number).padStart(DIGITS, '0')

export function readPairs(folder: string): { readonly left: number; readonly right: number }[] {
  const { left, right } = pairFolders(folder)
  const read = (side: string, n: number) => Number(readFileSync(join(side, `${n}`), 'utf8'))
  return Array.from({ length: PAIRS }, (_, n) => ({ left: read(left, n), right: read(right, n) }))
}

export function makePairs(folder: string): number[][] {
  const { left, right } = pairFolders(folder)
  for (const side of [left, right]) mkdirSync(side, { recursive: true })
  return Array.from({ length: PAIRS }, (_, n) =>
    [left, right].map((side) => {
      const fd = openSync(join(side, `${n}`), 'a+')
      closeSync(fd)
      const file = openSync(join(side, `${n}`), 'r+')
      writeSync(file, text(0), 0)
      return file
    }),
  )
}

if (import.meta.main) {
  const files = makePairs(process.argv[2] as string)
  process.send?.('ready')
  process.on('disconnect', () => process.exit(0))
  for (let number = 1; ; number++) {
    for (const [left, right] of files) {
      writeSync(left as number, text(number), 0)
      writeSync(right as number, text(number), 0)
    }
    // Others have something to do too.
    await systemClock().sleep(2)
  }
}
