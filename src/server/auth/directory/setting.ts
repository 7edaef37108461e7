/**
 * The directory (LDAP, Active Directory) that people sign in with. The connection is always encrypted: `ldaps://`, or `ldap://` and StartTLS before
 * anything else is said. There is no way to say a password in the clear.
 */
import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { rolesShape } from '../../../wire/index.ts'
import { auditors, guardians } from '../../http/route.ts'
import { defineSetting } from '../../settings/setting.ts'

export const NAME_PLACE = '{name}'

const urlShape = z
  .string()
  .max(300)
  .regex(
    /^ldaps?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/,
    'must be ldaps://host[:port], or ldap://host[:port] for StartTLS',
  )
const attributeShape = z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, 'must be the name of an attribute')
const dnShape = z.string().max(500)
const filterShape = z
  .string()
  .max(500)
  .regex(/^\(.*\)$/s, 'must be a filter in brackets')
  .refine((text) => text.includes(NAME_PLACE), `must have ${NAME_PLACE} where the name goes`)

const ofDirectory = z.strictObject({
  isOn: z.boolean().default(false),
  url: urlShape.or(z.literal('')).default(''),
  /** PEM: the authority that the directory's certificate is from, or with `isPinned` that certificate itself. Empty: what the system trusts. */
  certificate: z.string().max(20_000).refine(isCertificate, 'must be a certificate as PEM').default(''),
  isPinned: z.boolean().default(false),
  /** The account that searches. Its password is set apart, and never given out. */
  bindDn: dnShape.default(''),
  baseDn: dnShape.default(''),
  userFilter: filterShape.default(`(&(objectCategory=person)(objectClass=user)(sAMAccountName=${NAME_PLACE}))`),
  /** What the account is called here. */
  nameAttribute: attributeShape.default('sAMAccountName'),
  /** What stays when somebody is renamed: objectGUID, entryUUID. */
  idAttribute: attributeShape.default('objectGUID'),
  /** `nested`: groups in groups, by the rule of Active Directory. `direct`: `member` and `uniqueMember` of the group. */
  groupLookup: z.enum(['nested', 'direct']).default('nested'),
  /** Who is in the group has the roles. Empty: roles are those that the account was given here. */
  groups: z
    .array(z.strictObject({ group: dnShape.min(1), roles: rolesShape }))
    .max(50)
    .default([]),
  /** At the first sign-in of somebody who is in one of the groups. */
  makesAccounts: z.boolean().default(true),
})

export const directorySetting = defineSetting({
  name: 'directory',
  summary: 'The directory (LDAP, Active Directory) that people sign in with.',
  shape: ofDirectory
    .refine((it) => !it.isOn || (it.url !== '' && it.bindDn !== '' && it.baseDn !== ''), 'needs url, bindDn and baseDn')
    .refine((it) => !it.isPinned || it.certificate !== '', 'needs the certificate that is pinned'),
  readers: auditors,
  writers: guardians,
  stepUp: true,
  // Who says which directory is asked, and whose groups are administrators, says who administrators are. Switching it off makes none.
  needsSecond: (before, after) => after.isOn && JSON.stringify(before) !== JSON.stringify(after),
})

export type DirectorySetting = z.output<typeof ofDirectory>

function isCertificate(text: string): boolean {
  if (text === '') return true
  try {
    return new X509Certificate(text).raw.length > 0
  } catch {
    // Not a certificate.
    return false
  }
}
