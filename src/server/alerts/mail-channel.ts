/** 219, 243: mail has to be set up before anybody can be told by it. */
import type { Catalog, Channel } from '../../catalog/index.ts'
import { alertError } from './errors.ts'

/** The first that is on. CHANNEL_NO_MAIL. */
export async function checkMail({ channels }: Pick<Catalog, 'channels'>): Promise<Channel> {
  const found = (await channels.all()).find(({ kind, isEnabled }) => kind === 'smtp' && isEnabled)
  if (!found) throw alertError('CHANNEL_NO_MAIL', 'no channel for mail is set up', { context: { domain_code: 219 } })
  return found
}
