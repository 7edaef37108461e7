/**
 * Where a pool's secret comes from: the options of the command, then the environment, then a person at a terminal. Never an argument: other
 * users of the machine can read those.
 */
import { execFile } from 'node:child_process'
import type { Operation } from '../base/operation.ts'
import type { Disk } from '../platform/index.ts'
import { parseKeyFile, parsePassphrase, repositoryError, type Secret } from '../repository/index.ts'
import type { Config } from './config.ts'
import { cliError } from './errors.ts'
import { readSmallFile } from './files.ts'
import type { Output } from './output.ts'

export interface SecretOptions {
  readonly passphraseFile?: string
  readonly keyFile?: string
}

export interface SecretPlaces {
  readonly disk: Disk
  readonly config: Config
  readonly output: Output
}

export async function readPassphraseFile(disk: Disk, path: string): Promise<Secret> {
  return parsePassphrase((await readSmallFile(disk, path, 'the passphrase file')).toString('utf8'))
}

export async function readKeyFile(disk: Disk, path: string): Promise<Secret> {
  return parseKeyFile(await readSmallFile(disk, path, 'the key file'))
}

/** What was named, by option or environment; undefined when nothing was. */
export async function findSecret(op: Operation, { disk, config }: SecretPlaces, options: SecretOptions): Promise<Secret | undefined> {
  if (options.passphraseFile !== undefined) return readPassphraseFile(disk, options.passphraseFile)
  if (options.keyFile !== undefined) return readKeyFile(disk, options.keyFile)
  if (config.passphraseFile !== undefined) return readPassphraseFile(disk, config.passphraseFile)
  if (config.passphraseCommand !== undefined) return parsePassphrase(await runSecretCommand(op, config.passphraseCommand))
  if (config.keyFile !== undefined) return readKeyFile(disk, config.keyFile)
  return undefined
}

/** SECRET_MISSING where nothing was named and nobody can be asked. */
export async function getSecret(op: Operation, places: SecretPlaces, options: SecretOptions, poolName: string): Promise<Secret> {
  const found = await findSecret(op, places, options)
  if (found) return found
  const { askSecret } = places.output.streams
  if (!askSecret) throw repositoryError('SECRET_MISSING', `no passphrase or key file was given for ${poolName}`)
  const typed = await askSecret(`Passphrase of ${poolName}: `)
  op.check()
  return parsePassphrase(typed)
}

/** The command's standard output. */
function runSecretCommand(op: Operation, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      '/bin/sh',
      ['-c', command],
      { signal: op.signal, encoding: 'utf8', maxBuffer: 1 << 20 },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout)
        if (op.signal.aborted) return reject(error)
        const said = stderr.trim().split('\n').at(-1) ?? ''
        const how =
          typeof error.code === 'number' ? `ended with ${error.code}` : `failed (${error.code ?? error.signal ?? 'no reason given'})`
        reject(cliError('SECRET_COMMAND_FAILED', `the command of TERP_PASSPHRASE_COMMAND ${how}${said === '' ? '' : `: ${said}`}`))
      },
    )
    child.stdin?.end()
  })
}
