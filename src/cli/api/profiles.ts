/** What is remembered of the servers that somebody signed in to: one file in the configuration folder that nobody else may read. */
import { join } from 'node:path'
import { z } from 'zod'
import type { Disk } from '../../platform/index.ts'
import type { Config } from '../config.ts'
import { cliError } from '../errors.ts'
import { isAbsent, makeFolders, replacePrivateFile } from '../files.ts'

const profileShape = z.object({
  /** `https://host:port`. */
  url: z.string(),
  /** SHA-256 of the certificate; absent where this machine's authorities vouch for it. */
  fingerprint: z.string().optional(),
  /** Of a person who signed in. */
  session: z.object({ cookie: z.string(), csrfToken: z.string(), name: z.string() }).optional(),
  /** A file with an API token, instead. */
  tokenFile: z.string().optional(),
})
const fileShape = z.object({
  format: z.literal('terp-servers'),
  version: z.literal(1),
  /** The one that is meant where none is named. */
  current: z.string().optional(),
  servers: z.array(profileShape),
})

export type Profile = z.infer<typeof profileShape>
export type Profiles = z.infer<typeof fileShape>

const NONE: Profiles = { format: 'terp-servers', version: 1, servers: [] }

export function profilesPath(config: Config): string {
  return join(config.configFolder, 'servers.json')
}

/** PROFILES_DAMAGED. */
export async function readProfiles(disk: Disk, config: Config): Promise<Profiles> {
  const path = profilesPath(config)
  let text: string
  try {
    text = (await disk.read(path)).toString('utf8')
  } catch (cause) {
    if (isAbsent(cause)) return NONE
    throw cliError('FILE_UNREADABLE', `${path} can not be read`, { cause, context: { path } })
  }
  try {
    return fileShape.parse(JSON.parse(text))
  } catch {
    // Neither parser's message may be shown: the file holds secrets.
    throw cliError('PROFILES_DAMAGED', `${path} can not be understood`, { context: { path } })
  }
}

/** Becomes the current one. */
export async function saveProfile(disk: Disk, config: Config, profile: Profile, { isCurrent = true } = {}): Promise<void> {
  const before = await readProfiles(disk, config)
  const servers = [...before.servers.filter(({ url }) => url !== profile.url), profile]
  await write(disk, config, { ...before, servers, ...(isCurrent && { current: profile.url }) })
}

/** Fine when there is none. */
export async function forgetProfile(disk: Disk, config: Config, url: string): Promise<void> {
  const { current, ...before } = await readProfiles(disk, config)
  const servers = before.servers.filter((profile) => profile.url !== url)
  await write(disk, config, { ...before, servers, ...(current !== undefined && current !== url && { current }) })
}

async function write(disk: Disk, config: Config, profiles: Profiles): Promise<void> {
  await makeFolders(disk, config.configFolder)
  await replacePrivateFile(disk, profilesPath(config), `${JSON.stringify(profiles, undefined, 2)}\n`, 'the file of servers')
}

/** `https://host:port`, without a `/` at the end; USAGE_INVALID. */
export function serverUrl(text: string): string {
  const withScheme = text.includes('://') ? text : `https://${text}`
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined
  if (url?.protocol !== 'https:' || url.hostname === '' || url.pathname.length > 1 || url.search !== '') {
    throw cliError('USAGE_INVALID', `${text} is not the address of a server`, { hint: 'Give it as https://host:port.' })
  }
  return url.origin
}
