/**
 * What of a file-like data source is taken (§3.3). The deepest rule that covers a path decides, so a folder that is made below an included
 * one is in, and a folder that was excluded stays out with all that grows in it. Extensions are excluded for files of the whole group.
 */
import { type Refusal, refuse } from '../refusal.ts'
import type { Selection } from './shape.ts'

export interface SelectionRules {
  /** Whether a file or folder is part of the data source. `isFile`: extensions are looked at. */
  isSelected(path: string, isFile?: boolean): boolean
  /** Whether anything below a folder may be part: one that is not selected itself can lead to included folders. */
  mayContainSelected(folder: string): boolean
}

/** Windows paths have drive letters and compare without case; both slashes part them. */
const isWindowsPath = (path: string) => /^[A-Za-z]:[\\/]|^\\\\/.test(path)

/** Parts of an absolute path as they are compared, or undefined where it is none. */
function partsOf(path: string): string[] | undefined {
  const windows = isWindowsPath(path)
  if (!windows && !path.startsWith('/')) return undefined
  const parts = path.split(windows ? /[\\/]/ : '/').filter((part) => part !== '')
  if (parts.some((part) => part === '.' || part === '..' || part.includes('\0'))) return undefined
  return windows ? parts.map((part) => part.toLowerCase()) : parts
}

/** One folder of the tree of rules. `verdict` is that of the rule that names this very folder. */
interface Node {
  verdict: boolean | undefined
  readonly children: Map<string, Node>
}

export function compileSelection(selection: Selection, excludedExtensions: readonly string[] = []): SelectionRules {
  const root: Node = { verdict: undefined, children: new Map() }
  const set = (path: string, verdict: boolean) => {
    let node = root
    for (const part of partsOf(path) ?? []) {
      let child = node.children.get(part)
      if (child === undefined) {
        child = { verdict: undefined, children: new Map() }
        node.children.set(part, child)
      }
      node = child
    }
    node.verdict = verdict
  }
  for (const path of selection.includes) set(path, true)
  for (const { path, isIncluded } of selection.mountPoints) if (!isIncluded) set(path, false)
  // Last, so that a path that is both is out.
  for (const path of selection.excludes) set(path, false)

  const extensions = new Set(excludedExtensions.map((extension) => extension.toLowerCase()))
  const hasExcludedExtension = (name: string) => {
    if (extensions.size === 0) return false
    const lower = name.toLowerCase()
    // `.tar.gz` can be excluded as well as `.gz`; a dot at the front begins a hidden name, not an extension.
    for (let at = lower.indexOf('.', 1); at !== -1; at = lower.indexOf('.', at + 1)) if (extensions.has(lower.slice(at))) return true
    return false
  }
  const lookUp = (parts: readonly string[]): { verdict: boolean; node: Node | undefined } => {
    let verdict = root.verdict ?? false
    let node: Node | undefined = root
    for (const part of parts) {
      node = node?.children.get(part)
      if (node === undefined) break
      verdict = node.verdict ?? verdict
    }
    return { verdict, node }
  }
  return {
    isSelected(path, isFile = false) {
      const parts = partsOf(path)
      if (parts === undefined || !lookUp(parts).verdict) return false
      return !(isFile && hasExcludedExtension(parts.at(-1) ?? ''))
    },
    mayContainSelected(folder) {
      const parts = partsOf(folder)
      if (parts === undefined) return false
      const { verdict, node } = lookUp(parts)
      return verdict || (node !== undefined && leadsToIncluded(node))
    },
  }
}

const leadsToIncluded = (node: Node): boolean =>
  [...node.children.values()].some((child) => child.verdict === true || leadsToIncluded(child))

const EXTENSION = /^\.[^/\\:*?"<>|\0]+$/

/** 131 and 132. */
export function validateExtensions(extensions: readonly string[], path = 'excludedExtensions'): Refusal[] {
  const refusals: Refusal[] = []
  const seen = new Set<string>()
  for (const [i, extension] of extensions.entries()) {
    if (!EXTENSION.test(extension)) {
      refusals.push(refuse('EXTENSION_MALFORMED', `"${extension}" is no file name extension`, { path: `${path}.${i}` }))
    } else if (seen.has(extension.toLowerCase())) {
      refusals.push(refuse('EXTENSION_TWICE', `"${extension}" is named twice`, { path: `${path}.${i}` }))
    }
    seen.add(extension.toLowerCase())
  }
  return refusals
}

/** §3.3 for one member. `mountPoints` are those that the agent found below what is included. */
export function validateMemberSelection(selection: Selection, mountPoints: readonly string[] = [], path = 'selection'): Refusal[] {
  const refusals: Refusal[] = []
  const check = (field: string, paths: readonly string[]) => {
    for (const [i, each] of paths.entries()) {
      if (partsOf(each) !== undefined) continue
      const at = `${path}.${field}.${i}`
      refusals.push(refuse('SELECTION_PATH_INVALID', `"${each}" is not an absolute path without . and ..`, { path: at }))
    }
  }
  check('includes', selection.includes)
  check('excludes', selection.excludes)
  check(
    'mountPoints',
    selection.mountPoints.map((each) => each.path),
  )
  if (refusals.length > 0) return refusals
  const onlyIncluded = compileSelection({ includes: selection.includes, excludes: [], mountPoints: [] })
  for (const [i, excluded] of selection.excludes.entries()) {
    if (onlyIncluded.isSelected(excluded)) continue
    refusals.push(
      refuse('SELECTION_ITEM_OUTSIDE', `"${excluded}" is excluded but not below anything included`, { path: `${path}.excludes.${i}` }),
    )
  }
  const rules = compileSelection(selection)
  if (!selection.includes.some((included) => rules.isSelected(included))) {
    refusals.push(refuse('SELECTION_EMPTY', 'everything that is included is excluded again', { path }))
  }
  const key = (each: string) => JSON.stringify(partsOf(each))
  const decided = new Set(selection.mountPoints.map((each) => key(each.path)))
  for (const mountPoint of mountPoints) {
    if (decided.has(key(mountPoint)) || !rules.isSelected(mountPoint)) continue
    refusals.push(refuse('MOUNT_POINT_UNDECIDED', `"${mountPoint}" is the mount point of another volume`, { path: `${path}.mountPoints` }))
  }
  return refusals
}
