/** The pages. Pure: from what was read to HTML. */
import type { Entry } from '../archive/index.ts'
import type { PlainError } from '../base/errors.ts'
import type { Finding, RecoveryPoint } from '../repository/index.ts'
import { bytesText, countText, entryTimeText, timeText } from './format.ts'
import { type Html, html } from './html.ts'
import { type Crumb, layout } from './layout.ts'

export interface PointsView {
  /** Oldest first. */
  readonly points: readonly RecoveryPoint[]
  readonly damaged: readonly Finding[]
  /** Ids of those that the vault has; undefined when it does not answer; null when there is none. */
  readonly inVault: ReadonlySet<string> | undefined | null
  readonly poolName: string
}

export function folderHref(pointId: string, path: Buffer): string {
  return path.length === 0 ? `/points/${pointId}` : `/points/${pointId}/folder/${path.toString('base64url')}`
}

export function fileHref(pointId: string, path: Buffer): string {
  return `/points/${pointId}/file/${path.toString('base64url')}`
}

/** Of one protected path, that path; of several, the root. */
function startHref(point: RecoveryPoint): string {
  const [only, second] = point.paths
  if (!only || second) return folderHref(point.id, Buffer.alloc(0))
  return folderHref(point.id, trimSlashes(Buffer.from(only.base64, 'base64')))
}

function trimSlashes(path: Buffer): Buffer {
  let [start, end] = [0, path.length]
  while (start < end && path[start] === 0x2f) start++
  while (end > start && path[end - 1] === 0x2f) end--
  return path.subarray(start, end)
}

function pathTexts(point: RecoveryPoint): string[] {
  return point.paths.map(({ text }) => (text.startsWith('/') ? text : `/${text}`))
}

export function pointsPage({ points, damaged, inVault, poolName }: PointsView): string {
  const latest = points.at(-1)
  const twice = inVault ? points.filter(({ id }) => inVault.has(id)).length : 0
  const facts = html`<dl class="facts">
<div><dt>Recovery points</dt><dd>${points.length.toLocaleString('en-US')}</dd></div>
<div><dt>Latest</dt><dd>${latest ? html`<time datetime="${latest.finished}">${timeText(latest.finished)}</time>` : '–'}</dd></div>
<div><dt>Protected</dt><dd>${latest ? bytesText(latest.statistics.total_bytes) : '–'}</dd></div>
<div><dt>In the vault too</dt><dd>${inVault === undefined ? 'unknown' : inVault === null ? 'no vault' : `${twice} of ${points.length}`}</dd></div>
</dl>`
  const rows = [...points].reverse().map((point) => pointRow(point, inVault))
  const table = html`<table class="list points">
<thead><tr><th>Time</th><th>Source</th><th>Paths</th><th class="number">Files</th><th class="number">Size</th><th>Copies</th></tr></thead>
<tbody>${rows}</tbody>
</table>`
  const content = html`<h1>Recovery points</h1>
<p class="under">${poolName}</p>
${facts}
${
  damaged.length === 0
    ? undefined
    : alert(
        `${countText(damaged.length, 'recovery point')} can not be read here`,
        damaged.map(({ message }) => message),
      )
}
${inVault === undefined ? alert('The vault does not answer', ['Which recovery points it has is unknown at the moment.']) : undefined}
${points.length === 0 ? html`<p class="empty">There is no recovery point yet.</p>` : table}`
  return layout({ title: 'Recovery points', crumbs: [], content })
}

function pointRow(point: RecoveryPoint, inVault: PointsView['inVault']): Html {
  const badge = (text: string, kind: string) => html`<span class="badge ${kind}">${text}</span>`
  const vault =
    inVault === null
      ? undefined
      : inVault === undefined
        ? badge('Vault ?', 'off')
        : inVault.has(point.id)
          ? badge('Vault', 'on')
          : badge('not in vault', 'off')
  const warnings = point.warnings > 0 ? html` <span class="badge warn">${countText(point.warnings, 'warning')}</span>` : undefined
  return html`<tr>
<td class="main"><a href="${startHref(point)}"><time datetime="${point.finished}">${timeText(point.finished)}</time></a> <code>${point.id.slice(0, 8)}</code></td>
<td data-label="Source">${point.source}</td>
<td data-label="Paths" class="paths">${pathTexts(point).join(' ')}</td>
<td data-label="Files" class="number">${point.statistics.files.toLocaleString('en-US')}</td>
<td data-label="Size" class="number">${bytesText(point.statistics.total_bytes)}</td>
<td data-label="Copies"><span class="badges">${badge('Pool', 'on')}${vault}${warnings}</span></td>
</tr>`
}

function alert(title: string, lines: readonly string[]): Html {
  return html`<div class="alert" role="alert"><strong>${title}</strong>${lines.slice(0, 20).map((line) => html`<p>${line}</p>`)}</div>`
}

export interface FolderView {
  readonly point: RecoveryPoint
  readonly path: Buffer
  readonly entries: readonly Entry[]
  /** How many of them come before the first that is shown. */
  readonly from: number
  readonly total: number
}

export function crumbsOf(point: RecoveryPoint, path: Buffer): Crumb[] {
  const crumbs: Crumb[] = [
    { text: 'Recovery points', href: '/' },
    { text: timeText(point.finished), href: folderHref(point.id, Buffer.alloc(0)) },
  ]
  for (let end = 0; path.length > 0 && end >= 0 && end < path.length; ) {
    const start = end === 0 ? 0 : end + 1
    const slash = path.indexOf(0x2f, start)
    end = slash < 0 ? path.length : slash
    crumbs.push({ text: path.subarray(start, end).toString('utf8'), href: folderHref(point.id, path.subarray(0, end)) })
  }
  const last = crumbs.pop()
  return last ? [...crumbs, { text: last.text }] : crumbs
}

export function folderPage({ point, path, entries, from, total }: FolderView): string {
  const name = path.length === 0 ? '/' : path.subarray(path.lastIndexOf(0x2f) + 1).toString('utf8')
  const here = folderHref(point.id, path)
  const to = from + entries.length
  const pager =
    from === 0 && to === total
      ? undefined
      : html`<p class="pager">${from > 0 ? html`<a href="${here}">first</a>` : undefined} <span>${(from + 1).toLocaleString('en-US')}–${to.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}</span> ${to < total ? html`<a href="${here}?from=${to}">next</a>` : undefined}</p>`
  const table = html`<table class="list entries">
<thead><tr><th>Name</th><th class="number">Size</th><th>Modified</th><th>Owner</th><th>Mode</th></tr></thead>
<tbody>${entries.map((entry) => entryRow(point.id, entry))}</tbody>
</table>`
  const content = html`<h1>${name}</h1>
<p class="under">${point.source} · <code>${point.id.slice(0, 8)}</code> · ${countText(total, 'item')}</p>
${total === 0 ? html`<p class="empty">This folder is empty.</p>` : table}
${pager}`
  return layout({ title: name, crumbs: crumbsOf(point, path), content })
}

const ICONS: Readonly<Record<string, Html>> = {
  folder: html`<svg class="icon folder" viewBox="0 0 20 20" aria-label="folder"><path d="M2 5.5A1.5 1.5 0 0 1 3.5 4h4l2 2h7A1.5 1.5 0 0 1 18 7.5v7A1.5 1.5 0 0 1 16.5 16h-13A1.5 1.5 0 0 1 2 14.5z"/></svg>`,
  file: html`<svg class="icon" viewBox="0 0 20 20" aria-label="file"><path d="M5 2.5h6.5L16 7v9.5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1zM11.5 2.5V7H16"/></svg>`,
  symlink: html`<svg class="icon" viewBox="0 0 20 20" aria-label="link"><path d="M8.5 11.5a3 3 0 0 0 4.5.3l2.5-2.5a3 3 0 0 0-4.3-4.3L10 6.200M11.5 8.5a3 3 0 0 0-4.5-.3l-2.5 2.5a3 3 0 0 0 4.3 4.3L10 13.800"/></svg>`,
}
const OTHER_ICON = html`<svg class="icon" viewBox="0 0 20 20" aria-label="special file"><circle cx="10" cy="10" r="6"/></svg>`

function entryRow(pointId: string, entry: Entry): Html {
  const name = entry.path.subarray(entry.path.lastIndexOf(0x2f) + 1).toString('utf8')
  const target = entry.target === undefined ? undefined : html` <span class="target">→ ${entry.target.toString('utf8')}</span>`
  const link =
    entry.kind === 'folder'
      ? html`<a href="${folderHref(pointId, entry.path)}">${name}</a>`
      : entry.kind === 'file'
        ? html`<a href="${fileHref(pointId, entry.path)}" download title="Download">${name}</a>`
        : html`<span>${name}</span>`
  return html`<tr>
<td class="main">${ICONS[entry.kind] ?? OTHER_ICON}${link}${target}</td>
<td data-label="Size" class="number">${entry.kind === 'file' ? bytesText(entry.sizeBytes) : ''}</td>
<td data-label="Modified">${entryTimeText(entry.mtimeSec)}</td>
<td data-label="Owner">${entry.userName ?? String(entry.uid)}</td>
<td data-label="Mode"><code>${entry.mode.toString(8).padStart(4, '0')}</code></td>
</tr>`
}

export function errorPage(status: number, error: Pick<PlainError, 'code' | 'message' | 'hint'>): string {
  const title = status === 404 ? 'Not found' : status === 403 ? 'Locked' : 'That did not work'
  const content = html`<section class="trouble"><h1>${title}</h1><p>${error.message}</p><p class="under">${error.hint}</p><p><code>${error.code}</code></p>${status === 403 ? undefined : html`<p><a class="button" href="/">To the recovery points</a></p>`}</section>`
  return layout({ title, crumbs: [], content })
}
