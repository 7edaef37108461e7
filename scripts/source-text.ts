/**
 * A reader of TypeScript text that knows just enough to check it: where code is, where comments and strings are, and what is imported.
 * TypeScript 7 has no stable JavaScript API, so this is ours. It assumes what the formatter guarantees: no JSX, no `x! / y`.
 */

export interface ImportOf {
  /** As it stands between the quotes; undefined when it is not a literal. */
  readonly specifier: string | undefined
  /** `worker` is `new URL('./x.ts', import.meta.url)`: another thread's entry, not a module of this graph. */
  readonly kind: 'static' | 'dynamic' | 'worker'
  readonly typeOnly: boolean
  /** Names bound from a static import: imported name → local name. `*` and `default` stand for themselves. */
  readonly names: ReadonlyMap<string, string>
  readonly line: number
}

/** Words after which a `/` begins a regular expression, although they look like names. */
const BEFORE_REGEX = new Set('await case delete do else extends in instanceof new of return throw typeof void yield'.split(' '))

/**
 * The text with every character of a comment, of a string's, template's or regular expression's inside replaced by a blank. Line breaks,
 * quotes and what stands in `${}` stay, so places in the result are places in the text.
 */
export function codeOnly(text: string): string {
  const out = text.split('')
  const blank = (from: number, to: number) => {
    for (let i = from; i < to && i < out.length; i++) if (out[i] !== '\n') out[i] = ' '
  }
  /** One entry per open template: how many braces are open inside its `${`. */
  const templates: number[] = []
  let lastCode = ''
  let lastWord = ''
  let at = 0

  /** From after the backquote or the closing brace up to `${` or the closing backquote. */
  const template = (from: number): number => {
    let i = from
    while (i < text.length) {
      if (text[i] === '\\') i += 2
      else if (text[i] === '`') {
        blank(from, i)
        lastCode = '`'
        return i + 1
      } else if (text.startsWith('${', i)) {
        blank(from, i)
        templates.push(0)
        lastCode = '{'
        return i + 2
      } else i++
    }
    blank(from, i)
    return i
  }

  while (at < text.length) {
    const c = text.charAt(at)
    if (text.startsWith('//', at) || (at === 0 && text.startsWith('#!'))) {
      const end = text.indexOf('\n', at)
      const stop = end === -1 ? text.length : end
      blank(at, stop)
      at = stop
    } else if (text.startsWith('/*', at)) {
      const end = text.indexOf('*/', at + 2)
      const stop = end === -1 ? text.length : end + 2
      blank(at, stop)
      at = stop
    } else if (c === "'" || c === '"') {
      let i = at + 1
      while (i < text.length && text[i] !== c && text[i] !== '\n') i += text[i] === '\\' ? 2 : 1
      blank(at + 1, i)
      at = i + 1
      lastCode = c
    } else if (c === '`') {
      at = template(at + 1)
    } else if (c === '{' && templates.length > 0) {
      templates.push((templates.pop() ?? 0) + 1)
      lastCode = c
      at++
    } else if (c === '}' && templates.length > 0) {
      const open = templates.pop() ?? 0
      if (open === 0) at = template(at + 1)
      else {
        templates.push(open - 1)
        lastCode = c
        at++
      }
    } else if (c === '/' && startsRegex(lastCode, lastWord)) {
      let i = at + 1
      let inClass = false
      while (i < text.length && text[i] !== '\n' && (inClass || text[i] !== '/')) {
        if (text[i] === '\\') i++
        else if (text[i] === '[') inClass = true
        else if (text[i] === ']') inClass = false
        i++
      }
      blank(at + 1, i)
      at = i + 1
      lastCode = '/'
      lastWord = ''
      while (/[a-z]/.test(text.charAt(at))) out[at++] = ' '
      lastCode = ')' // what follows a regular expression divides
    } else if (/[\w$]/.test(c)) {
      let i = at
      while (i < text.length && /[\w$]/.test(text.charAt(i))) i++
      // `a.in / b` divides: a name after a dot is a property, not a word of the language.
      lastWord = lastCode === '.' ? '' : text.slice(at, i)
      lastCode = 'a'
      at = i
    } else {
      // `i++ / 2` divides.
      if (!/\s/.test(c)) lastCode = (c === '+' || c === '-') && text[at - 1] === c ? ')' : c
      at++
    }
  }
  return out.join('')
}

function startsRegex(lastCode: string, lastWord: string): boolean {
  if (lastCode === 'a') return BEFORE_REGEX.has(lastWord)
  return !/[)\]'"`]/.test(lastCode)
}

export function lineAt(text: string, at: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < at; i = text.indexOf('\n', i + 1)) line++
  return line
}

/** From the opening parenthesis at `open` to its partner: what is between, in `code` (blanked) and in `text`. */
export function argumentsAt(code: string, text: string, open: number): { code: string; text: string } {
  let depth = 0
  for (let i = open; i < code.length; i++) {
    if (code[i] === '(') depth++
    else if (code[i] === ')' && --depth === 0) return { code: code.slice(open + 1, i), text: text.slice(open + 1, i) }
  }
  return { code: code.slice(open + 1), text: text.slice(open + 1) }
}

function namesOf(clause: string): Map<string, string> {
  const names = new Map<string, string>()
  const braces = /\{([^}]*)\}/.exec(clause)
  for (const part of braces?.[1]?.split(',') ?? []) {
    const words = part
      .trim()
      .replace(/^type\s+/, '')
      .split(/\s+as\s+/)
    if (words[0]) names.set(words[0], words[1] ?? words[0])
  }
  const rest = clause.replace(/\{[^}]*\}/, '')
  const star = /\*\s*as\s+([\w$]+)/.exec(rest)
  if (star?.[1]) names.set('*', star[1])
  const first = /^\s*([\w$]+)\s*(?:,|$)/.exec(rest)
  if (first?.[1]) names.set('default', first[1])
  return names
}

/** Every way in which one file names another: import, export … from, import(), require(), and a worker's entry. */
export function importsOf(text: string): ImportOf[] {
  const code = codeOnly(text)
  const found: ImportOf[] = []
  const literal = (from: number, to: number) => text.slice(from, to)

  // The clause holds neither a quote nor another import, so it cannot run past its own string; `import(` and `import.meta` do not match.
  for (const m of code.matchAll(
    /(?<![\w$.])(import|export)\b(?!\s*[(.])((?:(?!\b(?:import|export)\b)[\w$\s{},*])*?)(\bfrom\s*)?(['"])( *)\4/g,
  )) {
    const [whole, word, clause = '', from] = m
    if (from === undefined && (word === 'export' || clause.trim() !== '')) continue
    const end = m.index + whole.length - 1
    found.push({
      specifier: literal(end - (m[5]?.length ?? 0), end),
      kind: 'static',
      typeOnly: /^\s*type\b(?!\s*(,|from\b|$))/.test(clause),
      names: namesOf(clause.replace(/^\s*type\b(?=\s*[{*\w$])/, '')),
      line: lineAt(text, m.index),
    })
  }
  for (const m of code.matchAll(/(?<![\w$.])(?:import|require)\s*\(/g)) {
    const given = argumentsAt(code, text, m.index + m[0].length - 1)
    const plain = /^\s*(['"])(.*)\1\s*(?:,\s*\{[\s\S]*\}\s*)?$/.exec(given.text)
    found.push({ specifier: plain?.[2], kind: 'dynamic', typeOnly: false, names: new Map(), line: lineAt(text, m.index) })
  }
  for (const m of code.matchAll(/(?<![\w$.])new\s+URL\s*\(/g)) {
    const given = argumentsAt(code, text, m.index + m[0].length - 1)
    const plain = /^\s*(['"])(\.{1,2}\/.*\.[cm]?[jt]s)\1\s*,\s*import\.meta\.url\s*,?\s*$/.exec(given.text)
    if (plain) found.push({ specifier: plain[2], kind: 'worker', typeOnly: false, names: new Map(), line: lineAt(text, m.index) })
  }
  return found.sort((a, b) => a.line - b.line)
}
