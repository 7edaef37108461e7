/**
 * The password of the account that searches the directory: sealed, and for that directory alone. Who changes the address, the certificate or the
 * account has to give it again, so that nobody has it sent to a server of his own.
 */
import type { Json, Records } from '../../../catalog/index.ts'
import type { ServerContext } from '../../context.ts'
import { sha256Of } from '../tokens.ts'
import type { DirectorySetting } from './setting.ts'

const NAME = 'directory-password'

interface Kept {
  /** Base 64. */
  readonly sealed: string
  readonly purpose: string
}

export async function keepBindPassword(
  { sealer }: ServerContext,
  records: Records,
  { setting, password, by }: { readonly setting: DirectorySetting; readonly password: string; readonly by: string },
): Promise<void> {
  const purpose = purposeOf(setting)
  const kept: Kept = { sealed: Buffer.from(sealer.seal(Buffer.from(password), purpose)).toString('base64'), purpose }
  await records.settings.put(NAME, { ...kept } satisfies Json, { by })
}

/** Empty when there is none for this directory. SERVER_SECRET_UNREADABLE. */
export async function openBindPassword({ catalog, sealer }: ServerContext, setting: DirectorySetting): Promise<string> {
  const kept = (await catalog.settings.find(NAME))?.value as Kept | undefined
  if (kept?.purpose !== purposeOf(setting)) return ''
  return sealer.open(Buffer.from(kept.sealed, 'base64'), kept.purpose).toString('utf8')
}

function purposeOf({ url, certificate, isPinned, bindDn }: DirectorySetting): string {
  return `directory:${sha256Of(JSON.stringify([url, certificate, isPinned, bindDn]))}`
}
