/** Adding points to the index of names, and asking it. Runs in a thread of its own (search-worker.ts): a batch takes some tens of milliseconds. */
import { type Kysely, sql } from 'kysely'
import { transact } from '../../sqlite/index.ts'
import { catalogError } from '../errors.ts'
import { type Page, type PageRequest, readCursor, toPage } from '../paging.ts'
import type { SearchTables } from './database.ts'

export interface NamedEntry {
  /** Without the name; empty for the root. */
  readonly folder: string
  readonly name: string
  readonly kind: string
}

export interface PointChange {
  readonly sourceId: string
  /** Of the point, in the chain of its source. */
  readonly sequence: number
  readonly added: readonly NamedEntry[]
  readonly removed: readonly Pick<NamedEntry, 'folder' | 'name'>[]
}

export interface SearchQuery {
  /** A part of the name; with `*` and `?`, the whole of it. */
  readonly text: string
  /** Undefined: in all. */
  readonly sourceIds?: readonly string[] | undefined
  /** In this folder or below. */
  readonly below?: string | undefined
}

export interface SearchHit extends NamedEntry {
  readonly sourceId: string
  /** The points that have it: from the one with this sequence … */
  readonly first: number
  /** … to the one with this; undefined: the newest has it. */
  readonly last: number | undefined
}

export class SearchIndex {
  readonly #db: Kysely<SearchTables>

  constructor(db: Kysely<SearchTables>) {
    this.#db = db
  }

  /** One batch of what a point changed. The same again changes nothing, so a point that was cut off is added from its beginning. */
  async apply({ sourceId, sequence, added, removed }: PointChange): Promise<void> {
    await transact(this.#db, async (db) => {
      const source = await sourceNumber(db, sourceId)
      const gone = JSON.stringify(removed.map(({ folder, name }) => [folder, fold(name), shown(name)]))
      await sql`
        update entries set last = ${sequence - 1}
        where last is null and first < ${sequence} and id in (
          select e.id from json_each(${gone}) j
          join folders f on f.source = ${source} and f.path = j.value ->> 0
          join names n on n.folded = j.value ->> 1
          join entries e on e.folder = f.id and e.name = n.id and e.shown = j.value ->> 2 and e.last is null
        )`.execute(db)
      const fresh = JSON.stringify(added.map(({ folder, name, kind }) => [folder, fold(name), shown(name), kind]))
      await sql`insert or ignore into names (folded) select j.value ->> 1 from json_each(${fresh}) j`.execute(db)
      await sql`insert or ignore into folders (source, path) select ${source}, j.value ->> 0 from json_each(${fresh}) j`.execute(db)
      await sql`
        insert or ignore into entries (source, folder, name, shown, kind, first)
        select ${source}, f.id, n.id, j.value ->> 2, j.value ->> 3, ${sequence} from json_each(${fresh}) j
        join folders f on f.source = ${source} and f.path = j.value ->> 0
        join names n on n.folded = j.value ->> 1`.execute(db)
    })
  }

  /** All batches of this point were applied: from now on it is found. */
  async complete(sourceId: string, sequence: number): Promise<void> {
    await transact(this.#db, async (db) => {
      const id = await sourceNumber(db, sourceId)
      await db.updateTable('sources').set({ newest: sequence }).where('id', '=', id).where('newest', '<', sequence).execute()
    })
  }

  /** The sequence of the newest point that was added wholly; 0: none. */
  async newestOf(sourceId: string): Promise<number> {
    const row = await this.#db.selectFrom('sources').select('newest').where('source', '=', sourceId).executeTakeFirst()
    return row?.newest ?? 0
  }

  /**
   * Only the points with these sequences are left: what only others had is forgotten. Without one that was added last, what it was filled with is gone, and the answer is
   * false: then the source is removed and added anew.
   */
  async keepOnly(sourceId: string, sequences: readonly number[]): Promise<boolean> {
    const kept = [...sequences].sort((a, b) => a - b)
    return await transact(this.#db, async (db) => {
      const source = await db.selectFrom('sources').select(['id', 'newest']).where('source', '=', sourceId).executeTakeFirst()
      if (!source) return true
      const known = kept.filter((sequence) => sequence <= source.newest)
      if (known.at(-1) !== source.newest) return false
      // Between two that are left: what came after the one and was gone before the other.
      let before = 0
      for (const sequence of known) {
        if (sequence - before > 1) {
          await db
            .deleteFrom('entries')
            .where('source', '=', source.id)
            .where('last', '>', before)
            .where('last', '<', sequence)
            .where('first', '>', before)
            .execute()
        }
        before = sequence
      }
      return true
    })
  }

  /** Before a source is added anew, or when it is gone. */
  async removeSource(sourceId: string): Promise<void> {
    await transact(this.#db, async (db) => {
      const source = await sourceNumber(db, sourceId)
      await db.deleteFrom('entries').where('source', '=', source).execute()
      await db.deleteFrom('folders').where('source', '=', source).execute()
      await db.deleteFrom('sources').where('id', '=', source).execute()
    })
  }

  /** Names and folders that no entry needs any more, some of them at a time, so that a search waits for one slice at most. Zero: that was all. */
  async tidy(table: 'names' | 'folders', from: number): Promise<number> {
    const column = table === 'names' ? sql`e.name` : sql`e.folder`
    const { rows } = await sql<{ last: number | null }>`
      select max(id) as last from (select id from ${sql.table(table)} where id > ${from} order by id limit ${TIDIED_AT_ONCE})`.execute(
      this.#db,
    )
    const last = rows[0]?.last
    if (last === null || last === undefined) return 0
    await sql`
      delete from ${sql.table(table)} where id > ${from} and id <= ${last}
        and not exists (select 1 from entries e where ${column} = ${sql.table(table)}.id)`.execute(this.#db)
    return last
  }

  /** In no order that means anything, but always the same. CATALOG_SEARCH_INVALID. */
  async search(query: SearchQuery, { limit, cursor }: PageRequest): Promise<Page<SearchHit>> {
    const pattern = toGlob(query.text)
    let after = readCursor<[number, number]>(cursor, ['number', 'number']) ?? [0, 0]
    const filter = await this.#filterOf(query)
    const found: Row[] = []
    // Names in the order of their numbers, which is how the trigrams give them: nothing is sorted. A common word is done after the first few; a place
    // that has few of them takes all, at once, since each step looks through the trigrams anew.
    for (const count of [limit + 1, 16 * limit, ALL]) {
      const names = await this.#names(pattern, after[0], count)
      if (names.count === 0) break
      found.push(...(await this.#entries(filter, names.ids, after, limit + 1 - found.length)))
      after = [names.last + 1, 0]
      if (found.length > limit || names.count < count) break
    }
    return toPage(found, limit, (row) => [row.name_id, row.id], present)
  }

  async #filterOf({ sourceIds, below }: SearchQuery): Promise<Filter> {
    const wanted = JSON.stringify(sourceIds ?? [])
    const inSource = sourceIds === undefined ? sql`true` : sql`source in (select value from json_each(${wanted}))`
    const sources = await sql<{ ids: string }>`select json_group_array(id) as ids from sources where ${inSource}`.execute(this.#db)
    // '0' is the letter after '/'.
    const folders =
      below === undefined || below === ''
        ? undefined
        : await sql<{ ids: string }>`
            select json_group_array(id) as ids from folders
            where path = ${below} or (path >= ${`${below}/`} and path < ${`${below}0`})`.execute(this.#db)
    return { sources: sources.rows[0]?.ids ?? '[]', folders: folders?.rows[0]?.ids }
  }

  async #names(pattern: string, from: number, most: number): Promise<{ ids: string; last: number; count: number }> {
    // As one text, which the next statement takes as it is.
    const { rows } = await sql<{ ids: string; last: number | null; count: number }>`
      select json_group_array(id) as ids, max(id) as last, count(*) as count
      from (select rowid as id from grams where folded glob ${pattern} and rowid >= ${from} order by rowid limit ${most})`.execute(this.#db)
    const row = rows[0]
    return { ids: row?.ids ?? '[]', last: row?.last ?? 0, count: row?.count ?? 0 }
  }

  async #entries({ sources, folders }: Filter, names: string, after: readonly number[], limit: number): Promise<Row[]> {
    const inFolder = folders === undefined ? sql`true` : sql`e.folder in (select value from json_each(${folders}))`
    const { rows } = await sql<Row>`
      select e.name as name_id, e.id, s.source, f.path, n.folded, e.shown, e.kind, e.first, e.last
      from json_each(${names}) j
      cross join entries e on e.name = j.value
      join sources s on s.id = e.source
      join names n on n.id = e.name
      join folders f on f.id = e.folder
      where e.source in (select value from json_each(${sources})) and ${inFolder}
        and (e.name > ${after[0]} or e.id > ${after[1]}) and e.first <= s.newest
      order by e.name, e.id
      limit ${limit}`.execute(this.#db)
    return rows
  }
}

const TIDIED_AT_ONCE = 5000

/** Of LIMIT. */
const ALL = -1

/** Numbers, as JSON. */
interface Filter {
  readonly sources: string
  readonly folders: string | undefined
}

interface Row {
  name_id: number
  id: number
  source: string
  path: string
  folded: string
  shown: string
  kind: string
  first: number
  last: number | null
}

function present(row: Row): SearchHit {
  return {
    sourceId: row.source,
    folder: row.path,
    name: row.shown === '' ? row.folded : row.shown,
    kind: row.kind,
    first: row.first,
    last: row.last ?? undefined,
  }
}

async function sourceNumber(db: Kysely<SearchTables>, source: string): Promise<number> {
  await sql`insert or ignore into sources (source, newest) values (${source}, 0)`.execute(db)
  return (await db.selectFrom('sources').select('id').where('source', '=', source).executeTakeFirstOrThrow()).id
}

function fold(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

function shown(name: string): string {
  return fold(name) === name ? '' : name
}

/** `*` and `?` of the person are those of GLOB; anything else that GLOB knows stands for itself. */
function toGlob(text: string): string {
  const folded = fold(text.trim())
  if (/^[*?]*$/.test(folded)) throw catalogError('CATALOG_SEARCH_INVALID', 'there is nothing to search for')
  if (/[*?]/.test(folded)) return folded.replaceAll('[', '[[]')
  return `*${escapeGlob(folded)}*`
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[]/g, (letter) => `[${letter}]`)
}
