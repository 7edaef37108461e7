/** A part of a document that a program writes, between `<!-- name:begin … -->` and `<!-- name:end -->`; what is around it is written by hand. */

interface Parts {
  readonly before: string
  readonly content: string
  readonly after: string
}

export function readBlock(document: string, name: string): string {
  return split(document, name).content.trim()
}

export function replaceBlock(document: string, name: string, content: string): string {
  const { before, after } = split(document, name)
  return `${before}${content.trim()}\n${after}`
}

function split(document: string, name: string): Parts {
  const begin = new RegExp(`<!-- ${name}:begin[^\\n]*-->\\n`).exec(document)
  const after = document.indexOf(`<!-- ${name}:end -->`)
  if (begin === null || after < begin.index) throw new Error(`the document has no block ${name}`)
  const from = begin.index + begin[0].length
  return { before: document.slice(0, from), content: document.slice(from, after), after: document.slice(after) }
}
