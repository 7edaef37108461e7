/** Answers of a server: a table or lines for people, the API's own document for programs. */
import { type Column, formatTable, formatTime, printable } from '../format.ts'
import type { Output } from '../output.ts'
import type { Run } from '../run.ts'

export interface ListColumn<T> extends Column {
  readonly of: (item: T) => string | number | undefined
}

/** `none`: what is said where there is nothing to list. */
export function showList<T extends object>(output: Output, items: readonly T[], columns: readonly ListColumn<T>[], none: string): void {
  if (output.isJson) {
    output.printJson(items)
    return
  }
  if (items.length === 0) {
    output.note(none)
    return
  }
  const rows = items.map((item) => columns.map(({ of }) => cell(of(item))))
  output.print(formatTable(columns, rows))
}

/** Lines of a name and a value. */
export function showFacts(
  output: Output,
  document: object,
  facts: readonly (readonly [name: string, value: string | number | undefined])[],
): void {
  if (output.isJson) {
    output.printJson(document)
    return
  }
  const told = facts.filter(([, value]) => value !== undefined)
  const width = Math.max(0, ...told.map(([name]) => name.length))
  for (const [name, value] of told) output.print(`${name.padEnd(width)}  ${cell(value)}`)
}

/** For what was done: one line, or the document. */
export function showDone(run: Run, document: object, text: string): void {
  if (run.output.isJson) run.output.printJson(document)
  else run.output.print(printable(text))
}

function cell(value: string | number | undefined): string {
  return value === undefined ? '' : printable(String(value))
}

/** `2026-11-22 13:03`, in UTC. */
export function shortTime(timestamp: string | undefined): string {
  return timestamp === undefined ? '' : formatTime(timestamp).slice(0, 16)
}

export function yesNo(is: boolean): string {
  return is ? 'yes' : 'no'
}
