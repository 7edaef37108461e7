/** Filters of a search (RFC 4515). Whatever is put into one is a value in it, and can not become a part of it. */
import { NAME_PLACE } from './setting.ts'

/** `LDAP_MATCHING_RULE_IN_CHAIN` of Active Directory: through groups in groups. */
const IN_CHAIN = '1.2.840.113556.1.4.1941'

/** Every byte that is not a plain letter or digit, as `\hh`: what has no meaning can not be taken for anything. */
export function escapeValue(text: string): string {
  let escaped = ''
  for (const byte of Buffer.from(text)) {
    const letter = String.fromCharCode(byte)
    escaped += /[A-Za-z0-9]/.test(letter) ? letter : `\\${byte.toString(16).padStart(2, '0')}`
  }
  return escaped
}

export function escapeBytes(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')
}

export function userFilterOf(template: string, name: string): string {
  return template.replaceAll(NAME_PLACE, () => escapeValue(name))
}

/** Of a search at the entry of the person: it is found when it is in the group. */
export function inGroupFilter(groupDn: string): string {
  return `(memberOf:${IN_CHAIN}:=${escapeValue(groupDn)})`
}

/** Of a search at the group: it is found when the person is its member. */
export function hasMemberFilter(userDn: string): string {
  const dn = escapeValue(userDn)
  return `(|(member=${dn})(uniqueMember=${dn}))`
}
