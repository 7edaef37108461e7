/** JSON in columns. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }
export type JsonObject = { readonly [key: string]: Json | undefined }

/** Only for what this room wrote itself: the text is trusted to have the shape. */
export function fromJson<T>(text: string): T {
  return JSON.parse(text) as T
}

export function fromJsonOr<T, Otherwise>(text: string | null, otherwise: Otherwise): T | Otherwise {
  return text === null ? otherwise : fromJson<T>(text)
}

export function toJson(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

/** The same text for the same value: keys in order of their UTF-16 units, no spaces (RFC 8785, for what JSON.stringify gives). */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join()}]`
  const members = Object.entries(value as JsonObject)
    .filter((member): member is [string, Json] => member[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join()}}`
}
