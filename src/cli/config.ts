/** The only place of this program that looks at the environment. */
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface Config {
  readonly passphraseFile: string | undefined
  readonly passphraseCommand: string | undefined
  readonly keyFile: string | undefined
  /** Of a backup server: where it is, the SHA-256 of its certificate, the file with an API token. */
  readonly serverUrl: string | undefined
  readonly serverFingerprint: string | undefined
  readonly tokenFile: string | undefined
  /** Where what is remembered of servers lies. */
  readonly configFolder: string
  /** Of the agent of this machine. */
  readonly agentFolder: string
  /** https://no-color.org: set, and not empty. */
  readonly noColor: boolean
  /** Adds the stack to an error's message. */
  readonly debug: boolean
}

export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const text = (name: string) => environment[name] || undefined
  return {
    passphraseFile: text('TERP_PASSPHRASE_FILE'),
    passphraseCommand: text('TERP_PASSPHRASE_COMMAND'),
    keyFile: text('TERP_KEY_FILE'),
    serverUrl: text('TERP_SERVER'),
    serverFingerprint: text('TERP_SERVER_FINGERPRINT'),
    tokenFile: text('TERP_TOKEN_FILE'),
    configFolder: join(text('XDG_CONFIG_HOME') ?? join(text('HOME') ?? homedir(), '.config'), 'terp'),
    agentFolder: agentFolder(text),
    noColor: text('NO_COLOR') !== undefined || environment.TERM === 'dumb',
    debug: environment.TERP_DEBUG === '1',
  }
}

/** systemd says where; the machine's own agent lies where it would, and one that a person tries out with the person's files. */
function agentFolder(text: (name: string) => string | undefined): string {
  const given = text('STATE_DIRECTORY')
  if (given !== undefined) return given
  if (process.getuid?.() === 0) return '/var/lib/terp-agent'
  return join(text('XDG_STATE_HOME') ?? join(text('HOME') ?? homedir(), '.local/state'), 'terp-agent')
}
