/** The only place of this program that looks at the environment. */
export interface Config {
  readonly passphraseFile: string | undefined
  readonly passphraseCommand: string | undefined
  readonly keyFile: string | undefined
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
    noColor: text('NO_COLOR') !== undefined || environment.TERM === 'dumb',
    debug: environment.TERP_DEBUG === '1',
  }
}
