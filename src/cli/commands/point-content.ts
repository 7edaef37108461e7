/** What is in recovery points, and getting it onto this machine. */
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { z } from 'zod'
import { differencesShape, entryShape, folderPageShape, versionsShape } from '../../wire/index.ts'
import { addServerCommand, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList } from '../api/show.ts'
import { plainText } from '../arguments.ts'
import type { CommandHost } from '../command.ts'
import { cliError } from '../errors.ts'
import { errnoOf } from '../files.ts'
import { formatBytes, formatMode, formatTime } from '../format.ts'
import { shortId } from '../present.ts'
import { findPoint, findSource, POINT, type PointOptions, pathText, sourceOption } from './find-point.ts'
import { SOURCE } from './sources.ts'

type Entry = z.output<typeof entryShape>

const ENTRY_COLUMNS = [
  { title: 'MODE', of: ({ kind, mode }: Entry) => formatMode(kind, mode) },
  { title: 'OWNER', of: ({ userName, uid }: Entry) => userName ?? String(uid) },
  { title: 'SIZE', align: 'right' as const, of: ({ kind, sizeBytes }: Entry) => (kind === 'file' ? formatBytes(sizeBytes) : undefined) },
  { title: 'CHANGED', of: ({ modified }: Entry) => shortTime(modified) },
  { title: 'NAME', of: ({ name, target }: Entry) => (target === undefined ? name : `${name} -> ${target}`) },
]

export function addPointBrowse(parent: Command, host: CommandHost): void {
  const about = {
    name: 'browse',
    summary: 'look into a recovery point',
    description: 'Lists what lies in a folder of a recovery point.',
    arguments: [POINT, ['[PATH]', 'a folder; without it, the root']] as const,
    options: sourceOption,
    examples: ['terp recovery-point browse latest /srv/www --source web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, options: PointOptions, argument, path) => {
    const { id } = await findPoint(api, argument, options)
    const items: Entry[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await api.get(`/recovery-points/${id}/folder`, folderPageShape, { path: pathText(path), limit: 1000, cursor })
      items.push(...page.items)
      cursor = page.next
      if (cursor === undefined) break
    }
    showList(output, items, ENTRY_COLUMNS, 'nothing in it')
    return undefined
  })
}

export function addPointVersions(parent: Command, host: CommandHost): void {
  const about = {
    name: 'versions',
    summary: 'list the versions of a file',
    description: 'Lists one path in all recovery points of a data source, the newest first; those that are as before are left out.',
    arguments: [SOURCE, ['<PATH>', 'the file or folder']] as const,
    examples: ['terp recovery-point versions web-3:/srv /srv/www/index.html'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, source = '', path) => {
    const { id } = await findSource(api, source)
    type Version = z.output<typeof versionsShape>['items'][number]
    const items: Version[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await api.get(`/data-sources/${id}/versions`, versionsShape, { path: pathText(path), limit: 200, cursor })
      items.push(...page.items.filter(({ isSameAsBefore }) => !isSameAsBefore))
      cursor = page.next
      if (cursor === undefined) break
    }
    const columns = [
      { title: 'POINT', of: ({ pointId }: Version) => shortId(pointId) },
      { title: 'TIME', of: ({ finished }: Version) => formatTime(finished) },
      {
        title: 'SIZE',
        align: 'right' as const,
        of: ({ entry }: Version) => (entry === undefined ? 'absent' : formatBytes(entry.sizeBytes)),
      },
      { title: 'CHANGED', of: ({ entry }: Version) => shortTime(entry?.modified) },
    ]
    showList(output, items, columns, 'no version')
    return undefined
  })
}

interface DownloadOptions extends PointOptions {
  readonly out?: string
}

export function addPointDownload(parent: Command, host: CommandHost): void {
  const about = {
    name: 'download',
    summary: 'get a file, or a folder as zip',
    description: 'Gets a file out of a recovery point, or a folder with all below it as a zip file.',
    arguments: [POINT, ['<PATH>', 'the file or folder']] as const,
    options: (command: Command) => sourceOption(command).option('--out <file>', 'new file (default: its name, in this folder)'),
    examples: ['terp recovery-point download latest /srv/www/index.html --source web-3:/srv'],
  }
  addServerCommand(parent, host, about, async (on, options: DownloadOptions, argument, path) => {
    const { id } = await findPoint(on.api, argument, options)
    const query = { path: pathText(path) }
    const isRoot = query.path === ''
    const entry = isRoot ? undefined : await on.api.get(`/recovery-points/${id}/entry`, entryShape, query)
    const isFolder = entry === undefined || entry.kind === 'folder'
    const name = entry === undefined ? shortId(id) : basename(entry.name)
    const out = resolve(options.out === undefined ? (isFolder ? `${name}.zip` : name) : plainText(options.out, 'the new file'))
    const bytes = isFolder
      ? await download(on, `/recovery-points/${id}/zip`, query, out)
      : await download(on, `/recovery-points/${id}/file`, query, out)
    showDone(on.run, { file: out, bytes }, `${out}: ${formatBytes(bytes)}`)
    return undefined
  })
}

/** A half of it is not left behind. FILE_EXISTS, FILE_UNWRITABLE. */
async function download({ run, api }: On, path: string, query: { path: string }, out: string): Promise<number> {
  const { disk } = run
  const file = await disk.createFile(out).catch((cause: unknown) => {
    const isThere = errnoOf(cause) === 'EEXIST'
    if (isThere) throw cliError('FILE_EXISTS', `${out} exists already`, { cause, hint: 'Choose another name with --out.' })
    throw cliError('FILE_UNWRITABLE', `${out} can not be made`, { cause })
  })
  let bytes = 0
  try {
    try {
      for await (const part of (await api.open(path, query)) as AsyncIterable<Buffer>) {
        await file.write(part)
        bytes += part.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    return bytes
  } catch (error) {
    await disk.unlink(out).catch(() => undefined)
    throw error
  }
}

type Change = z.output<typeof differencesShape>['items'][number]

const CHANGES: Readonly<Record<string, string>> = { added: '+', removed: '-', content: 'M', metadata: 'm', type: 'T' }

export function addPointCompare(parent: Command, host: CommandHost): void {
  const about = {
    name: 'compare',
    summary: 'show what changed between two recovery points',
    description:
      'Lists what differs between two recovery points of a data source, from the first to the second: + is new, - is gone, M has another content, m other metadata, T is of another type.',
    arguments: [POINT, ['<OTHER>', 'another one of the same data source']] as const,
    options: sourceOption,
    examples: ['terp recovery-point compare 9f8e7d6c latest --source web-3:/srv'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, options: PointOptions, first, second) => {
    const [before, after] = [await findPoint(api, first, options), await findPoint(api, second, options)]
    const items: Change[] = []
    for (let cursor: string | undefined; ; ) {
      const query = { with: after.id, limit: 1000, cursor }
      const page = await api.get(`/recovery-points/${before.id}/differences`, differencesShape, query)
      items.push(...page.items)
      cursor = page.next
      if (cursor === undefined) break
    }
    const sizeOf = (entry: Change['before']) => (entry?.kind === 'file' ? formatBytes(entry.sizeBytes) : undefined)
    const columns = [
      { title: '', of: ({ change }: Change) => CHANGES[change] ?? change },
      { title: 'BEFORE', align: 'right' as const, of: (item: Change) => sizeOf(item.before) },
      { title: 'AFTER', align: 'right' as const, of: (item: Change) => sizeOf(item.after) },
      { title: 'PATH', of: (item: Change) => (item.after ?? item.before)?.text },
    ]
    showList(output, items, columns, 'no difference')
    return undefined
  })
}
