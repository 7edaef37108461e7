/** Holds the documents to the program: error codes, the command line, links. `npm run docs` writes what can be written. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { before, describe, it } from 'node:test'
import { isTest } from '../scripts/architecture-rules.ts'
import { readBlock, replaceBlock } from '../scripts/generated-block.ts'
import { codeOnly } from '../scripts/source-text.ts'
import { CLI_PAGE, type CommandHelp, cliReference, readCommands, subcommands, whyNoCli } from '../scripts/write-cli-reference.ts'
import { ERRORS_PAGE, errorTables, readCatalogues } from '../scripts/write-errors.ts'
import { EXIT_MEANINGS, type ExitCode } from '../src/cli/exit-codes.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const DOCUMENTS = globSync(['*.md', 'docs/**/*.md', 'changelog/**/*.md'], { cwd: ROOT }).sort()
const SOURCES = globSync('src/**/*.ts', { cwd: ROOT }).filter((file) => !isTest(file))

describe('docs/errors.md', () => {
  const page = readFileSync(ERRORS_PAGE, 'utf8')
  const listed = [...readBlock(page, 'errors').matchAll(/^\| `(\w+)` \| ([\w-]+)/gm)].map((m) => `${m[1]} ${m[2]}`)

  it('lists every code with its kind, and none that is gone', async () => {
    const known = (await readCatalogues()).flatMap(({ codes }) => Object.entries(codes).map(([code, { kind }]) => `${code} ${kind}`))
    const missing = known.filter((code) => !listed.includes(code))
    const gone = listed.filter((code) => !known.includes(code))
    assert.deepEqual({ missing, gone }, { missing: [], gone: [] }, 'run `npm run docs`')
  })

  it('says what the catalogues say', async () => {
    assert.equal(readBlock(page, 'errors'), errorTables(await readCatalogues()), 'run `npm run docs`')
  })

  it('knows every code, since catalogues stand in errors.ts only and no code stands in two', async () => {
    for (const file of SOURCES) {
      if (/(^|\/)errors\.ts$/.test(file)) continue
      assert.doesNotMatch(codeOnly(read(file)), /\bdefineErrors\s*\(/, `${file} declares errors outside an errors.ts`)
    }
    const codes = (await readCatalogues()).flatMap((catalogue) => Object.keys(catalogue.codes))
    assert.deepEqual(
      codes.filter((code, i) => codes.indexOf(code) !== i),
      [],
    )
  })

  it('lists every code that a warning or a finding can have', () => {
    for (const file of SOURCES) {
      for (const [, code = ''] of read(file).matchAll(/\bcode: '([A-Z]+(?:_[A-Z]+)+)'/g)) {
        assert.ok(page.includes(`\`${code}\``), `${code} (${file}) is not on the page: list it by hand under "Warnings and findings"`)
      }
    }
  })

  it('names by hand only codes that exist', async () => {
    const known = new Set((await readCatalogues()).flatMap(({ codes }) => Object.keys(codes)))
    const sources = SOURCES.map(read).join('\n')
    for (const [, code = ''] of replaceBlock(page, 'errors', '').matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)) {
      assert.ok(known.has(code) || sources.includes(`'${code}'`), `${code} is gone`)
    }
  })
})

describe('docs/cli.md', () => {
  const page = readFileSync(CLI_PAGE, 'utf8')
  const skip = whyNoCli() ?? false
  let commands: CommandHelp[] = []
  before(async () => {
    if (skip === false) commands = await readCommands()
  })

  it('explains the exit codes that there are', () => {
    const rows = [...page.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map((m) => [m[1], m[2]])
    for (const [code, text] of rows) {
      const meaning = EXIT_MEANINGS[Number(code) as ExitCode]
      assert.ok(meaning !== undefined && text?.startsWith(meaning), `${code} means ${meaning}`)
    }
    assert.deepEqual(rows.map(([code]) => code).sort(), Object.keys(EXIT_MEANINGS).sort())
  })

  it('says what --help prints', { skip }, () => {
    assert.equal(readBlock(page, 'cli'), cliReference(commands), 'run `npm run docs`')
  })

  it('explains every exit code that a command names', { skip }, () => {
    const explained = [...page.matchAll(/^\| (\d+) \|/gm)].map((m) => m[1])
    for (const { command, help } of commands) {
      for (const code of exitCodesIn(help)) assert.ok(explained.includes(code), `exit code ${code} of ${command} is not in the table`)
    }
  })

  it('has an example and the exit codes for every command that does something', { skip }, () => {
    for (const { command, help, isLeaf } of commands) {
      if (!isLeaf) continue
      assert.match(help, /^Examples?:/m, `${command} --help has no example`)
      assert.notEqual(exitCodesIn(help).length, 0, `${command} --help names no exit codes`)
    }
  })

  it('finds commands and exit codes in a help text', () => {
    const help = [
      'Usage: terp pool [options] [command]\n',
      'Commands:',
      '  backup [options] <dir> <path...>  adds a recovery point of',
      '                                    the paths',
      '  vault-keys                        shows keys',
      '  help [command]                    display help\n',
      'Exit codes: 0 done, 3 done with',
      '  warnings, 130 interrupted\n',
      'Example: terp pool backup 77',
    ].join('\n')
    assert.deepEqual(subcommands(help), ['backup', 'vault-keys'])
    assert.deepEqual(exitCodesIn(help), ['0', '3', '130'])
  })
})

/** The numbers from `Exit codes:` up to the next empty line. */
function exitCodesIn(help: string): string[] {
  const section = /^Exit codes:?\s*([\s\S]*?)(?:\n\s*\n|$(?![\s\S]))/im.exec(help)?.[1] ?? ''
  return [...section.matchAll(/(?<![\w.])\d{1,3}\b/g)].map((m) => m[0])
}

describe('the documents', () => {
  it('link only to what is there', () => {
    const broken: string[] = []
    for (const document of DOCUMENTS) {
      for (const target of linksIn(read(document))) {
        const [path = '', anchor] = target.split('#')
        const file = path === '' ? document : relative(ROOT, join(ROOT, dirname(document), decodeURIComponent(path)))
        if (file.startsWith('..') || !existsSync(join(ROOT, file))) broken.push(`${document}: ${target}`)
        else if (anchor !== undefined && file.endsWith('.md') && !anchorsIn(read(file)).has(anchor)) broken.push(`${document}: ${target}`)
      }
    }
    assert.deepEqual(broken, [])
  })

  it('are all reached from README.md, by one link after another', () => {
    const reached = new Set<string>()
    const follow = (document: string) => {
      if (reached.has(document) || !DOCUMENTS.includes(document)) return
      reached.add(document)
      for (const target of linksIn(read(document))) follow(join(dirname(document), target.split('#')[0] ?? ''))
    }
    follow('README.md')
    const lost = DOCUMENTS.filter((document) => !reached.has(document) && !/^(docs\/adr|changelog)\//.test(document))
    assert.deepEqual(lost, [])
  })

  it('speak of this project alone', () => {
    for (const document of DOCUMENTS) assert.ok(!read(document).includes('shared/'), `${document} mentions shared/`)
  })

  it('name only npm scripts and ADRs that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    for (const document of DOCUMENTS) {
      for (const [, script = ''] of read(document).matchAll(/npm run ([a-z][a-z0-9:]*)/g))
        assert.ok(scripts[script], `${document}: npm run ${script}`)
      for (const [, number = ''] of read(document).matchAll(/ADR-?\s?(\d{4})/g)) {
        assert.equal(globSync(`docs/adr/${number}-*.md`, { cwd: ROOT }).length, 1, `${document}: ADR ${number}`)
      }
    }
  })
})

/** Targets of links and pictures that stay in the repository. Code and comments do not link. */
function linksIn(markdown: string): string[] {
  const prose = markdown
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
    .replace(/`[^`\n]*`/g, '')
  const targets = [...prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g), ...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)].map((m) => m[1] ?? '')
  return targets.filter((target) => !/^[a-z][a-z+.-]*:/.test(target))
}

/** As the usual hosts make them out of headings. */
function anchorsIn(markdown: string): Set<string> {
  const headings = [...markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.+)$/gm)].map((m) => m[1] ?? '')
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-')
  return new Set(headings.map(slug))
}
