/**
 * `search.db`: the names of all entries of all recovery points, for finding a file that somebody remembers by a part of its name. It can be made
 * again from the store, so it is not part of copies of the catalog, and may lose its last moments with the power.
 *
 * An entry is one name in one folder over a run of points: from the one where it came (`first`) to the last that had it (`last`, null while the
 * newest has it). So a point costs what differs from the one before.
 */
import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import { type OpenDatabase, openSqlite } from '../../sqlite/index.ts'

export interface SearchTables {
  sources: { id: number; source: string; newest: number }
  /** `folded`: in NFC and lower case, so that it is found however it is typed. */
  names: { id: number; folded: string }
  folders: { id: number; source: number; path: string }
  entries: {
    id: number
    source: number
    folder: number
    name: number
    /** Empty where it is as folded. */
    shown: string
    kind: string
    first: number
    last: number | null
  }
}

const migrations: Record<string, Migration> = {
  '0001-start': {
    async up(db: Kysely<unknown>) {
      for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
    },
  },
  // So that a folder that nobody needs any more is found without reading all entries.
  '0002-folders': {
    async up(db: Kysely<unknown>) {
      await sql.raw('create index entries_folder on entries (folder)').execute(db)
    },
  },
}

const STATEMENTS = [
  'create table sources (id integer primary key, source text not null unique, newest integer not null) strict',
  'create table names (id integer primary key, folded text not null unique) strict',
  // Trigrams, so that any three letters in a row lead to the names that hold them. `detail=none`: which of them hold all in order, the name itself says.
  `create virtual table grams using fts5 (folded, content=names, content_rowid=id, tokenize='trigram case_sensitive 1', detail=none)`,
  'create trigger names_added after insert on names begin insert into grams (rowid, folded) values (new.id, new.folded); end',
  `create trigger names_removed after delete on names begin insert into grams (grams, rowid, folded) values ('delete', old.id, old.folded); end`,
  'create table folders (id integer primary key, source integer not null, path text not null, unique (source, path)) strict',
  'create index folders_path on folders (path)',
  `create table entries (
    id integer primary key, source integer not null, folder integer not null, name integer not null, shown text not null, kind text not null,
    first integer not null, last integer
  ) strict`,
  // With all that a search decides by, so that it reads the rows of hits only.
  'create index entries_name on entries (name, id, source, folder, first)',
  'create unique index entries_present on entries (folder, name, shown) where last is null',
  'create index entries_gone on entries (source, last) where last is not null',
]

export async function openSearchDatabase(path: string): Promise<OpenDatabase<SearchTables>> {
  return await openSqlite<SearchTables>({ path, migrations, synchronous: 'normal' })
}
