import { resolve } from 'node:path'
import type { Command } from 'commander'
import { callerShape, setupStateShape } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { readFingerprint, speak } from '../api/connect.ts'
import { fingerprintAt } from '../api/https.ts'
import { type Profile, profilesPath, readProfiles, saveProfile, serverUrl } from '../api/profiles.ts'
import {
  askFactor,
  confirmTotp,
  getNewPassword,
  getPassword,
  getText,
  offerTotp,
  type ProofOptions,
  readFactor,
  tellOffer,
  tellRecoveryCodes,
} from '../api/sign-in.ts'
import { plainText } from '../arguments.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { cliError } from '../errors.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { readSmallFile } from '../files.ts'
import type { ServerFiles } from '../programs.ts'
import type { Run } from '../run.ts'

interface Options extends ProofOptions {
  readonly server?: string
  readonly data?: string
  readonly fingerprint?: string
  readonly name?: string
  readonly setupSecretFile?: string
  readonly tokenFile?: string
  readonly json?: boolean
}

interface Place {
  readonly url: string
  readonly fingerprint: string | undefined
  readonly setupSecret: string | undefined
}

export function addLogin(parent: Command, host: CommandHost): void {
  const command = parent
    .command('login')
    .summary('sign in to a backup server')
    .description(
      'Signs in to a backup server, and remembers it for the commands that follow. On a server without accounts it makes the first one.',
    )
    .option('--server <url>', 'the server: https://host:port (default: the last one)')
    .option('--data <folder>', 'the data folder of a server on this machine, in place of its address, fingerprint and set-up secret')
    .option('--fingerprint <sha256>', 'of its certificate, as `terp server start` prints it; needed where no authority vouches for it')
    .option('--name <name>', 'who signs in')
    .option('--password-file <file>', 'file with the password; without it the password is asked for')
    .option('--totp <code>', 'code of the second factor, or a recovery code; without it the code is asked for')
    .option('--setup-secret-file <file>', 'file with the secret that makes the first account')
    .option('--token-file <file>', 'file with an API token, to be used from now on in place of a session')
  withJson(command).action((options: Options) => host.run(options, (run) => login(run, options)))
  describe(command, {
    notes:
      'The session lasts 12 hours, and ends after 15 minutes without use. For programs, make a token with `terp token create`,\nand name its file here or in TERP_TOKEN_FILE.',
    examples: [
      'terp login --data /var/lib/terp-server',
      'terp login --server https://backup.example:7843 --fingerprint CB:F9:51:8A:...',
      'terp login --server https://backup.example:7843 --token-file /etc/terp/token',
    ],
    exits: [12, 13, 15],
  })
}

async function login(run: Run, options: Options) {
  const place = await findPlace(run, options)
  const profile: Profile = { url: place.url, ...(place.fingerprint !== undefined && { fingerprint: place.fingerprint }) }
  if (options.tokenFile !== undefined) return await useToken(run, profile, resolve(plainText(options.tokenFile, 'the file with the token')))
  return await speak(run, profile, { kind: 'nobody' }, (api) => signIn(run, api, { options, place, profile }))
}

async function useToken(run: Run, profile: Profile, tokenFile: string) {
  const { disk, config, output } = run
  const token = (await readSmallFile(disk, tokenFile, 'the file with the token')).toString('utf8').trim()
  const me = await speak(run, profile, { kind: 'token', token }, (api) => api.get('/session', callerShape))
  await saveProfile(disk, config, { ...profile, tokenFile })
  if (output.isJson) output.printJson({ server: profile.url, name: me.account.name, roles: me.roles, must_do: me.mustDo })
  else output.print(`${profile.url}: ${me.account.name}, by a token with the roles ${me.roles.join(', ')}`)
  return EXIT_CODES.ok
}

async function signIn(run: Run, api: Api, { options, place, profile }: { options: Options; place: Place; profile: Profile }) {
  const { disk, config, output } = run
  const { isDone } = await api.get('/setup', setupStateShape)
  const me = isDone ? await openSession(run, api, options) : await makeFirstAccount(run, api, options, place)
  const { credentials } = api
  if (credentials.kind !== 'session') throw cliError('SECRET_NOT_GIVEN', 'the server opened no session')
  const { cookie, csrfToken } = credentials
  await saveProfile(disk, config, { ...profile, session: { cookie, csrfToken, name: me.account.name } })
  if (output.isJson) {
    output.printJson({ server: profile.url, name: me.account.name, roles: me.roles, must_do: me.mustDo })
    return EXIT_CODES.ok
  }
  output.print(`signed in to ${profile.url} as ${me.account.name}: ${me.roles.join(', ')}`)
  output.note(`remembered in ${profilesPath(config)}`)
  if (me.mustDo.includes('change-password')) output.print('first change your password: terp user password')
  else if (me.mustDo.includes('enrol-totp')) await enrolNow(run, api)
  return EXIT_CODES.ok
}

async function openSession(run: Run, api: Api, options: Options) {
  const name = await getText(run, options.name, 'Name', '--name')
  const password = await getPassword(run, options.passwordFile, 'Password')
  const open = (factor: object) => api.send('POST', '/session', callerShape, { body: { name, password, ...factor } })
  if (options.totp !== undefined) return await open(readFactor(options.totp))
  try {
    return await open({})
  } catch (error) {
    // Only who has a second factor is asked for it.
    if (!(error instanceof Error && 'code' in error && error.code === 'AUTH_CODE_REQUIRED') || !run.output.streams.ask) throw error
    return await open(await askFactor(run, undefined))
  }
}

async function makeFirstAccount(run: Run, api: Api, options: Options, place: Place) {
  run.output.note('this server has no account; you make the first one')
  const secret = await getSetupSecret(run, options, place)
  const name = await getText(run, options.name, 'Name of the first account', '--name')
  const password = await getNewPassword(run, options.passwordFile)
  return await api.send('POST', '/setup', callerShape, { body: { secret, name, password } })
}

async function getSetupSecret(run: Run, { setupSecretFile }: Options, { setupSecret }: Place): Promise<string> {
  if (setupSecretFile !== undefined) return (await readSmallFile(run.disk, setupSecretFile, 'the set-up secret')).toString('utf8').trim()
  if (setupSecret !== undefined) return setupSecret
  const { askSecret } = run.output.streams
  if (askSecret) return (await askSecret('Set-up secret, as `terp server start` printed it: ')).trim()
  throw cliError('SECRET_NOT_GIVEN', 'nobody can be asked for the set-up secret', { hint: 'Name its file with --setup-secret-file.' })
}

/** At once where somebody can be asked; otherwise `terp user totp` does it in two steps. */
async function enrolNow(run: Run, api: Api): Promise<void> {
  const { ask } = run.output.streams
  if (!ask) {
    run.output.print('first enrol a second factor: terp user totp')
    return
  }
  tellOffer(run, await offerTotp(api))
  tellRecoveryCodes(run, await confirmTotp(api, await ask('Code that the app shows: ')))
}

async function findPlace(run: Run, { server, data, fingerprint }: Options): Promise<Place> {
  const { disk, config, programs, op } = run
  if (server !== undefined && data !== undefined) throw cliError('USAGE_INVALID', 'give --server or --data, not both')
  const files: ServerFiles | undefined =
    data === undefined ? undefined : await programs.server.look(disk, resolve(plainText(data, 'the data folder')))
  if (data !== undefined && files?.address === undefined) {
    throw cliError('FILE_NOT_FOUND', `no server has run on ${data}`, { hint: 'Start it first: `terp server start --data DIR`.' })
  }
  const known = await readProfiles(disk, config)
  const given = files?.address ?? server ?? config.serverUrl ?? known.current
  if (given === undefined) throw cliError('SERVER_NOT_CHOSEN', 'no server was named', { hint: 'Name it with --server or --data.' })
  const url = serverUrl(plainText(given, 'the address'))
  const remembered = known.servers.find((each) => each.url === url)?.fingerprint
  const pin = readFingerprint(fingerprint ?? files?.fingerprint ?? config.serverFingerprint) ?? remembered ?? (await askTrust(run, url))
  op.check()
  return { url, fingerprint: pin, setupSecret: files?.setupSecret }
}

/** Undefined: an authority vouches for it, or the first request will say that none does. */
async function askTrust(run: Run, url: string): Promise<string | undefined> {
  const { ask } = run.output.streams
  if (!ask) return undefined
  try {
    await speak(run, { url }, { kind: 'nobody' }, (api) => api.get('/setup', setupStateShape))
    return undefined
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'SERVER_CERTIFICATE_UNKNOWN')) throw error
    const found = await fingerprintAt(run.op, url)
    run.output.note(`no authority vouches for the certificate of ${url}; its fingerprint is\n  ${found}`)
    const answer = await ask('Is this the one that `terp server start` printed? [yes/no] ')
    if (answer.trim().toLowerCase() !== 'yes') throw error
    return readFingerprint(found)
  }
}
