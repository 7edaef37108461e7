/** Writes the tables of docs/errors.md from the catalogues in src/<room>/errors.ts. What is around the tables is kept. */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ErrorDefinition } from '../src/base/errors.ts'
import { exitCodeOf } from '../src/cli/exit-codes.ts'
import { replaceBlock } from './generated-block.ts'

const ROOT = join(import.meta.dirname, '..')
export const ERRORS_PAGE = join(ROOT, 'docs/errors.md')

export interface Catalogue {
  readonly room: string
  readonly codes: Readonly<Record<string, ErrorDefinition>>
}

/** Rooms in alphabetical order; within one, codes in the order of the catalogue. */
export async function readCatalogues(): Promise<Catalogue[]> {
  const catalogues: Catalogue[] = []
  for (const file of globSync('src/**/errors.ts', { cwd: ROOT }).sort()) {
    const module: Record<string, unknown> = await import(join(ROOT, file))
    for (const value of Object.values(module)) {
      if (typeof value !== 'function' || !('catalogue' in value)) continue
      catalogues.push({ room: file.split('/')[1] ?? '', codes: value.catalogue as Catalogue['codes'] })
    }
  }
  return catalogues
}

export function errorTables(catalogues: readonly Catalogue[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|')
  const row = ([code, { kind, retry = 'never', hint }]: [string, ErrorDefinition]) =>
    `| \`${code}\` | ${kind}${retry === 'never' ? '' : `, retry ${retry}`} | ${exitCodeOf({ code, kind })} | ${cell(hint)} |`
  return catalogues
    .map(
      ({ room, codes }) =>
        `### ${room}\n\n| Code | Kind | Exit code | What to do |\n|---|---|---|---|\n${Object.entries(codes).map(row).join('\n')}`,
    )
    .join('\n\n')
}

if (import.meta.main) {
  const catalogues = await readCatalogues()
  writeFileSync(ERRORS_PAGE, replaceBlock(readFileSync(ERRORS_PAGE, 'utf8'), 'errors', errorTables(catalogues)))
  console.log(`docs/errors.md: ${catalogues.reduce((sum, { codes }) => sum + Object.keys(codes).length, 0)} codes`)
}
