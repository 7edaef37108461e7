/** Which server a command speaks to, and as whom: options, then the environment, then what `terp login` remembered. */
import type { Command } from 'commander'
import { plainText } from '../arguments.ts'
import { cliError } from '../errors.ts'
import { readSmallFile } from '../files.ts'
import type { Run } from '../run.ts'
import { Api, type Credentials } from './api.ts'
import { HttpsClient, normalFingerprint } from './https.ts'
import { type Profile, readProfiles, saveProfile, serverUrl } from './profiles.ts'
import { proveAgain } from './sign-in.ts'

export interface ServerOptions {
  readonly server?: string
  readonly tokenFile?: string
}

/** For every command on a server. */
export function withServer(command: Command): Command {
  return command
    .option('--server <url>', 'the server; without it TERP_SERVER, or the one that `terp login` was used on last')
    .option('--token-file <file>', 'file with an API token; without it TERP_TOKEN_FILE, or who signed in')
}

export const SERVER_EXITS = [10, 12, 13, 15] as const

export async function withApi<T>(run: Run, options: ServerOptions, work: (api: Api) => Promise<T>): Promise<T> {
  const profile = await findProfile(run, options)
  const credentials = await findCredentials(run, options, profile)
  return await speak(run, profile, credentials, work)
}

/** As who is given, to a server that is known. A session that got another cookie meanwhile is remembered. */
export async function speak<T>(
  run: Run,
  profile: Pick<Profile, 'url' | 'fingerprint' | 'session'>,
  credentials: Credentials,
  work: (api: Api) => Promise<T>,
): Promise<T> {
  const { op, disk, config, programs, output } = run
  const https = new HttpsClient(profile.url, profile.fingerprint)
  const { session } = profile
  const canAsk = credentials.kind === 'session' && output.streams.askSecret !== undefined
  const prove = canAsk ? (api: Api) => proveAgain(run, api) : undefined
  const api = new Api({ op, https, credentials, program: `terp/${programs.version}`, prove })
  try {
    return await work(api)
  } finally {
    https.close()
    const after = api.credentials
    if (session && after.kind === 'session' && credentials.kind === 'session' && after.cookie !== credentials.cookie) {
      const { cookie, csrfToken } = after
      await saveProfile(disk, config, { ...profile, session: { ...session, cookie, csrfToken } }, { isCurrent: false })
    }
  }
}

/** SERVER_NOT_CHOSEN. */
export async function findProfile({ disk, config }: Run, { server }: ServerOptions): Promise<Profile> {
  const given = server ?? config.serverUrl
  const known = await readProfiles(disk, config)
  const url = given === undefined ? known.current : serverUrl(plainText(given, 'the address'))
  if (url === undefined) throw cliError('SERVER_NOT_CHOSEN', 'no server was named')
  const profile = known.servers.find((each) => each.url === url) ?? { url }
  const fingerprint = readFingerprint(config.serverFingerprint)
  return fingerprint === undefined ? profile : { ...profile, fingerprint }
}

/** USAGE_INVALID. */
export function readFingerprint(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const fingerprint = normalFingerprint(text)
  if (fingerprint === undefined) throw cliError('USAGE_INVALID', `${text} is not the SHA-256 fingerprint of a certificate`)
  return fingerprint
}

async function findCredentials({ disk, config }: Run, { tokenFile }: ServerOptions, profile: Profile): Promise<Credentials> {
  const path = tokenFile ?? config.tokenFile ?? (profile.session ? undefined : profile.tokenFile)
  if (path !== undefined)
    return { kind: 'token', token: (await readSmallFile(disk, path, 'the file with the token')).toString('utf8').trim() }
  return profile.session ? { kind: 'session', cookie: profile.session.cookie, csrfToken: profile.session.csrfToken } : { kind: 'nobody' }
}
