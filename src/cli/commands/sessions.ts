/** Sessions of who is signed in, and their end. */
import type { Command } from 'commander'
import { z } from 'zod'
import { browserSessionShape, recoveryCodesShape, type SessionDescription } from '../../wire/index.ts'
import { findProfile, SERVER_EXITS, type ServerOptions, withApi } from '../api/connect.ts'
import { chooseItem } from '../api/find-item.ts'
import { forgetProfile, saveProfile } from '../api/profiles.ts'
import { addServerCommand, FRESH_NOTE, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList, yesNo } from '../api/show.ts'
import { tellRecoveryCodes } from '../api/sign-in.ts'
import { type CommandHost, describe, withJson } from '../command.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import { shortId } from '../present.ts'
import type { Run } from '../run.ts'

interface LogoutOptions extends ServerOptions {
  readonly forget?: boolean
  readonly json?: boolean
}

export function addLogout(parent: Command, host: CommandHost): void {
  const command = parent
    .command('logout')
    .summary('end the session with a backup server')
    .description('Ends the session that `terp login` opened. Where the server is, stays remembered.')
    .option('--server <url>', 'the server (default: the last one)')
    .option('--forget', 'also forget the server with its fingerprint')
  withJson(command).action((options: LogoutOptions) => host.run(options, (run) => logout(run, options)))
  describe(command, { examples: ['terp logout'], exits: SERVER_EXITS })
}

async function logout(run: Run, options: LogoutOptions) {
  const { disk, config } = run
  const { url, fingerprint, session } = await findProfile(run, options)
  // Only its own session: a token that is named for other commands has none.
  if (session) {
    await withApi({ ...run, config: { ...config, tokenFile: undefined } }, options, (api) => api.act('DELETE', '/session')).catch(
      (error: unknown) => {
        // It ended already.
        if (!(error instanceof Error && 'code' in error && error.code === 'AUTH_REQUIRED')) throw error
      },
    )
  }
  if (options.forget === true) await forgetProfile(disk, config, url)
  else await saveProfile(disk, config, { url, ...(fingerprint !== undefined && { fingerprint }) }, { isCurrent: false })
  showDone(run, { server: url }, session ? `signed out of ${url}` : `nobody was signed in to ${url}`)
  return EXIT_CODES.ok
}

const sessionsShape = z.object({ items: z.array(browserSessionShape) })

export function addUserSessions(parent: Command, host: CommandHost): void {
  const about = {
    name: 'sessions',
    summary: 'list the own sessions',
    description: 'Lists where one is signed in: from which address, by which program, until when. Times are UTC.',
    examples: ['terp user sessions'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const columns = [
      { title: 'ID', of: ({ id }: SessionDescription) => shortId(id) },
      { title: 'THIS', of: ({ isThis }: SessionDescription) => yesNo(isThis) },
      { title: 'SINCE', of: ({ created }: SessionDescription) => shortTime(created) },
      { title: 'LAST USED', of: ({ lastUsed }: SessionDescription) => shortTime(lastUsed) },
      { title: 'ENDS', of: ({ expires }: SessionDescription) => shortTime(expires) },
      { title: 'ADDRESS', of: ({ address }: SessionDescription) => address },
      { title: 'PROGRAM', of: ({ client }: SessionDescription) => client },
    ]
    showList(output, (await api.get('/sessions', sessionsShape)).items, columns, 'no sessions')
    return undefined
  })
}

export function addUserEndSession(parent: Command, host: CommandHost): void {
  const about = {
    name: 'end-session',
    summary: 'end one of the own sessions',
    description: 'Ends one of the own sessions, somewhere else for instance.',
    arguments: [['<SESSION>', 'id, or the beginning of it']] as const,
    examples: ['terp user end-session 5d6e7f80'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument = '') => {
    const { items } = await api.get('/sessions', sessionsShape)
    const { id } = chooseItem(items, argument, 'session', (session) => ({ id: session.id }))
    await api.act('DELETE', `/sessions/${id}`)
    showDone(run, { id }, `ended the session ${shortId(id)}`)
    return undefined
  })
}

export function addUserRecoveryCodes(parent: Command, host: CommandHost): void {
  const about = {
    name: 'recovery-codes',
    summary: 'make new recovery codes',
    description: 'Makes new codes for the day the authenticator app is lost, and shows them this once. Those from before are good no more.',
    examples: ['terp user recovery-codes'],
    notes: FRESH_NOTE,
  }
  addServerCommand(parent, host, about, async ({ run, api, output }) => {
    const codes = await api.send('POST', '/session/recovery-codes', recoveryCodesShape)
    if (output.isJson) output.printJson(codes)
    else tellRecoveryCodes(run, codes.recoveryCodes)
    return undefined
  })
}
