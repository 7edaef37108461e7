/**
 * Runs tests and ends with exactly one line that says how many: `N passed, N failed`, and `, N skipped` if there were any.
 *
 *   node scripts/test.ts [unit|e2e] [part of a path]... [--name pattern]
 *
 * A file without a test, and a run without one, are failures: silence is not success.
 */
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { inspect, parseArgs } from 'node:util'

const ROOT = join(import.meta.dirname, '..')
const MINUTE_MS = 60_000
const SUITES: Record<string, { include: string[]; exclude: string[]; timeoutMs: number }> = {
  unit: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/soak/**'],
    timeoutMs: 10 * MINUTE_MS,
  },
  e2e: { include: ['test/e2e/**/*.test.ts'], exclude: [], timeoutMs: 30 * MINUTE_MS },
}

interface FileReport {
  passed: number
  failures: string[]
  /** Reason → names of the tests. */
  skipped: Map<string, string[]>
  output: string
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: 'string', multiple: true } } })
const suiteName = positionals[0] !== undefined && positionals[0] in SUITES ? positionals[0] : 'unit'
const wanted = positionals.filter((word) => word !== suiteName)
const suite = SUITES[suiteName]
if (suite === undefined) throw new Error(`there is no suite ${suiteName}`)

const files = globSync(suite.include, { cwd: ROOT, exclude: suite.exclude })
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part.replace(/^\.\//, ''))))
  .sort()
if (files.length === 0) {
  console.log(`no test file was found for ${[suiteName, ...wanted].join(' ')}`)
  finish(0, 0, 0)
} else {
  await runFiles()
}

async function runFiles(): Promise<void> {
  const stream = run({
    files: files.map((file) => join(ROOT, file)),
    cwd: ROOT,
    concurrency: 2,
    timeout: suite?.timeoutMs ?? MINUTE_MS,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    ...(values.name === undefined ? {} : { testNamePatterns: values.name.map((name) => new RegExp(name)) }),
  })
  const reports = new Map<string, FileReport>()
  const reportOf = (path: string | undefined): FileReport => {
    const file = path === undefined ? '' : relative(ROOT, path)
    const known = reports.get(file)
    if (known !== undefined) return known
    const report: FileReport = { passed: 0, failures: [], skipped: new Map(), output: '' }
    reports.set(file, report)
    return report
  }
  const isFileItself = (data: { name: string; file?: string; nesting: number }) =>
    data.nesting === 0 && data.file !== undefined && relative(ROOT, data.name) === relative(ROOT, data.file)
  const pathOf = new Map<number, string[]>()
  const nameOf = (data: { name: string; nesting: number; file?: string }) => [...(pathOf.get(data.nesting) ?? []), data.name].join(' › ')

  let isSound = true
  for await (const event of stream) {
    if (event.type === 'test:start') {
      const { nesting, name } = event.data
      pathOf.set(nesting + 1, [...(pathOf.get(nesting) ?? []), name])
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      reportOf(event.data.file).output += event.data.message
    } else if (event.type === 'test:pass') {
      const { data } = event
      const report = reportOf(data.file)
      const reason = data.skip ?? data.todo
      if (reason !== undefined && reason !== false) {
        skip(report, typeof reason === 'string' && reason !== '' ? reason : 'no reason given', nameOf(data))
      } else if (isFileItself(data)) {
        if (values.name !== undefined) continue
        report.failures.push(`${relative(ROOT, data.file ?? '')}: there is no test in it`)
        console.log(`FAILED ${relative(ROOT, data.file ?? '')}  there is no test in it`)
      } else if (data.details.type !== 'suite') {
        report.passed++
      }
    } else if (event.type === 'test:fail') {
      const { data } = event
      // What fails only because something inside it did has been told already.
      const error = data.details.error as Error & { failureType?: string }
      if (error.failureType === 'subtestsFailed') continue
      if (data.todo !== undefined && data.todo !== false) {
        skip(reportOf(data.file), 'to do', nameOf(data))
        continue
      }
      if (isFileItself(data)) {
        const { exitCode, signal } = error as { exitCode?: number; signal?: string | null }
        const path = relative(ROOT, data.file ?? '')
        const report = reportOf(data.file)
        report.failures.push(`${path}: its process ended with ${signal ?? `exit code ${exitCode}`}\n${indent(report.output.trimEnd())}`)
        console.log(`FAILED ${path}  its process ended with ${signal ?? `exit code ${exitCode}`}`)
        continue
      }
      const where = data.file === undefined ? '' : `  (${relative(ROOT, data.file)}${data.line === undefined ? '' : `:${data.line}`})`
      reportOf(data.file).failures.push(`${nameOf(data)}${where}\n${indent(explain(error))}`)
    } else if (event.type === 'test:summary') {
      if (event.data.file === undefined) isSound = event.data.success
      else printFile(relative(ROOT, event.data.file), reportOf(event.data.file), event.data.duration_ms)
    }
  }

  const all = [...reports.values()]
  const failures = all.flatMap((report) => report.failures)
  const skipped = new Map<string, number>()
  for (const report of all) for (const [reason, names] of report.skipped) skipped.set(reason, (skipped.get(reason) ?? 0) + names.length)
  if (!isSound && failures.length === 0) failures.push('the test runner reports a failure that no test does')
  if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => indent(failure)).join('\n\n')}`)
  if (skipped.size > 0) console.log(`\nSkipped:\n${[...skipped].map(([reason, count]) => `  ${count} × ${reason}`).join('\n')}`)
  console.log()
  finish(
    all.reduce((sum, report) => sum + report.passed, 0),
    failures.length,
    [...skipped.values()].reduce((a, b) => a + b, 0),
  )
}

function skip(report: FileReport, reason: string, name: string): void {
  report.skipped.set(reason, [...(report.skipped.get(reason) ?? []), name])
}

function printFile(file: string, report: FileReport, durationMs: number): void {
  const isOk = report.failures.length === 0
  const skips = [...report.skipped.values()].reduce((sum, names) => sum + names.length, 0)
  const counts = [`${report.passed} passed`, isOk ? '' : `${report.failures.length} failed`, skips === 0 ? '' : `${skips} skipped`]
  console.log(`${isOk ? 'ok    ' : 'FAILED'} ${file}  ${counts.filter(Boolean).join(', ')}  ${(durationMs / 1000).toFixed(1)} s`)
  if (!isOk && report.output !== '') console.log(indent(report.output.trimEnd()))
}

/** The cause is what the test threw; the error around it is the runner's. */
function explain(error: Error): string {
  const cause = error.cause ?? error
  if (!(cause instanceof Error)) return inspect(cause)
  return (cause.stack ?? cause.message).replace(/\n +at .*node:internal.*/g, '') + extras(cause)
}

function extras(error: Error): string {
  const { code, hint, context } = error as Error & { code?: unknown; hint?: unknown; context?: unknown }
  if (hint === undefined) return ''
  return `\n${inspect({ code, hint, context }, { breakLength: 120 })}`
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

function finish(passed: number, failed: number, skipped: number): void {
  if (passed + failed === 0) console.log('no test ran')
  console.log(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}
