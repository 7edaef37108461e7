/** The policy of a server as a file: what would change, to make it so, and whether somebody changed it by hand. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { TerpError } from '../../base/errors.ts'
import { createdPoolShape, groupChangedShape, poolShape, refusalShape } from '../../wire/index.ts'
import { addServerCommand, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { plainText } from '../arguments.ts'
import type { CommandHost } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { makePrivateFile } from '../files.ts'
import { formatCount, printable } from '../format.ts'
import type { Output } from '../output.ts'
import { readYaml, type YamlFile } from '../policy/documents.ts'
import { type Change, planPolicy } from '../policy/plan.ts'
import { readPolicy } from '../policy/policy.ts'
import { tellWarnings } from './groups.ts'

interface Options extends ServerCommandOptions {
  readonly file: string
}

const fileOption = (command: Command) => command.requiredOption('-f, --file <file>', 'the policy, as YAML or JSON; - for standard input')

/** POLICY_INVALID, POLICY_REFUSED: before anything is changed. */
async function plan({ run, api, output }: On, file: string): Promise<readonly Change[]> {
  const yaml = await readYaml(run, plainText(file, 'the file'))
  const changes = await planPolicy(api, readPolicy(yaml), yaml.placeOf)
  await checkGroups({ run, api, output }, changes, yaml.placeOf)
  return changes
}

const checkedShape = z.object({ refusals: z.array(refusalShape) })

/** What the server would refuse is told at once and all of it, with the lines; what comes after a new pool volume can not be judged yet. */
async function checkGroups({ api }: On, changes: readonly Change[], placeOf: YamlFile['placeOf']): Promise<void> {
  if (changes.some(({ act, kind }) => act === 'create' && kind === 'pool')) return
  const refused: { readonly place: string; readonly group: string; readonly refusal: z.output<typeof refusalShape> }[] = []
  for (const { kind, name, id, body, within } of changes) {
    if (kind !== 'group' || body === undefined) continue
    const { refusals } = await api.send('POST', '/groups/check', checkedShape, { body, query: { group: id } })
    for (const refusal of refusals) {
      const path = refusal.path === '' ? [] : refusal.path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part))
      if (refusal.severity === 'refusal') refused.push({ place: placeOf([...(within ?? []), ...path]), group: name, refusal })
    }
  }
  const [first] = refused
  if (!first) return
  const text = refused.map(({ place, group, refusal: { message, code, domainCode } }) => {
    const number = domainCode === undefined ? '' : `DPM ${domainCode}, `
    return `${place}: group ${group}: ${message} (${number}${code})`
  })
  const refusals = refused.map(({ place, group, refusal }) => ({ place, group, ...refusal }))
  throw cliError('POLICY_REFUSED', text.join('; '), { hint: first.refusal.hint, context: { refusals } })
}

export function addPlan(parent: Command, host: CommandHost): void {
  const about = {
    name: 'plan',
    summary: 'show what apply would change',
    description: 'Shows what `terp apply` would change for the server to be as the file says. Changes nothing.',
    options: fileOption,
    examples: ['terp plan -f config.yaml'],
  }
  addServerCommand(parent, host, about, async (on, { file }: Options) => {
    const changes = await plan(on, file)
    if (on.output.isJson) on.output.printJson({ changes: changes.map(present) })
    else tell(on.output, changes)
    return undefined
  })
}

export function addDrift(parent: Command, host: CommandHost): void {
  const about = {
    name: 'drift',
    summary: 'say whether a server is as the file says',
    description: 'Compares the server with the file, for a job that watches it. Changes nothing.',
    options: fileOption,
    examples: ['terp drift -f config.yaml'],
    exits: [3] as const,
    notes: 'Exit code 0 where the server is as the file says, 3 where it differs.',
  }
  addServerCommand(parent, host, about, async (on, { file }: Options) => {
    const changes = await plan(on, file)
    if (on.output.isJson) on.output.printJson({ changes: changes.map(present) })
    else tell(on.output, changes)
    return changes.length === 0 ? EXIT_CODES.ok : EXIT_CODES.warnings
  })
}

interface ApplyOptions extends Options {
  readonly removed: 'retain' | 'delete'
  readonly stopMissing?: 'retain' | 'delete'
  readonly recoveryWordsDir?: string
}

export function addApply(parent: Command, host: CommandHost): void {
  const about = {
    name: 'apply',
    summary: 'make a server as the file says',
    description:
      'Changes settings, pool volumes and protection groups of the server to what the file says. Pool volumes are never removed.',
    options: (command: Command) =>
      fileOption(command)
        .addOption(
          new Option('--removed <choice>', 'what becomes of the data of members that are left out')
            .choices(['retain', 'delete'])
            .default('retain'),
        )
        .addOption(
          new Option('--stop-missing <choice>', 'stop groups that the file does not have, and keep or give up their data').choices([
            'retain',
            'delete',
          ]),
        )
        .option('--recovery-words-dir <folder>', 'for the words of new pool volumes, a new file each, in place of showing them'),
    examples: ['terp apply -f config.yaml'],
    notes: 'Run again it changes nothing. To make or change pool volumes needs a sign-in of the last five minutes.',
  }
  addServerCommand(parent, host, about, async (on, options: ApplyOptions) => {
    const { output } = on
    const changes = await plan(on, options.file)
    const done: Change[] = []
    for (const change of changes) {
      const isDone = await carryOut(on, change, options).catch((error: unknown) => {
        if (done.length > 0) output.note(`${formatCount(done.length, 'change')} of ${changes.length} done; mend it and run this again`)
        throw atPlace(error, change)
      })
      if (!isDone) continue
      done.push(change)
      if (!output.isJson) output.print(`${WORDS[change.act]} ${change.kind} ${printable(change.name)}`)
    }
    const left = changes.filter((change) => !done.includes(change))
    if (output.isJson) output.printJson({ done: done.map(present), left: left.map(present) })
    else if (changes.length === 0) output.print('the server is as the file says')
    for (const { kind, name } of output.isJson ? [] : left) output.note(`not in the file, and left as it is: ${kind} ${printable(name)}`)
    return undefined
  })
}

const WORDS = { create: 'made', change: 'changed', extra: 'stopped' } as const

/** As the server said it, with the line of the file. */
function atPlace(error: unknown, { place, kind, name }: Change): unknown {
  if (!(error instanceof TerpError) || place === undefined) return error
  const { code, hint, retry, message, context } = error
  return new TerpError(code, { kind: error.kind, retry, hint }, `${place}: ${kind} ${name}: ${message}`, { context, cause: error })
}

/** Whether there was anything to do. */
async function carryOut(on: On, { act, kind, name, id, version, body }: Change, options: ApplyOptions): Promise<boolean> {
  const { api, output, run } = on
  if (act === 'extra') {
    if (kind !== 'group' || options.stopMissing === undefined) return false
    await api.act('POST', `/groups/${id}/stop`, { body: { data: options.stopMissing }, version })
    return true
  }
  if (kind === 'setting') await api.send('PUT', `/settings/${name}`, z.unknown(), { body, version })
  else if (kind === 'pool' && act === 'change') await api.send('PATCH', `/pools/${id}`, poolShape, { body, version })
  else if (kind === 'pool') {
    const { recoveryWords } = await api.send('POST', '/pools', createdPoolShape, { body })
    const { recoveryWordsDir } = options
    if (recoveryWordsDir !== undefined)
      await makePrivateFile(run.disk, join(recoveryWordsDir, `${name}.words`), `${recoveryWords}\n`, 'the file with the words')
    // Never lost, even where nobody asked for them: without them and the key file nothing opens the pool.
    else output.note(`the words that open ${name} without this server: ${recoveryWords}`)
    if (recoveryWordsDir === undefined && output.isJson) output.printJson({ message_type: 'status', pool: name, recoveryWords })
  } else {
    const changed =
      act === 'create'
        ? await api.send('POST', '/groups', groupChangedShape, { body })
        : await api.send('PUT', `/groups/${id}`, groupChangedShape, { body, version, query: { removed: options.removed } })
    tellWarnings(output, changed.warnings)
  }
  return true
}

function tell(output: Output, changes: readonly Change[]): void {
  if (changes.length === 0) output.print('the server is as the file says')
  for (const { act, kind, name, differences } of changes) {
    if (act === 'extra') output.print(`not in the file: ${kind} ${printable(name)}`)
    else output.print(`${act} ${kind} ${printable(name)}`)
    if (act !== 'change') continue
    for (const { path, is, wanted } of differences) output.print(`  ${path}: ${shown(is)} -> ${shown(wanted)}`)
  }
  if (changes.length > 0) output.note(formatCount(changes.length, 'difference'))
}

function shown(value: unknown): string {
  return printable(JSON.stringify(value) ?? 'nothing')
}

function present({ act, kind, name, id, differences }: Change) {
  return { act, kind, name, ...(id !== undefined && { id }), differences }
}
