/**
 * The reserved source under which a server keeps copies of its own configuration in each pool volume. No data source is called so: theirs are 32 hexadecimal digits.
 */
export const SERVER_SOURCE = 'terp-server-configuration'

export function isServerSource(source: string): boolean {
  return source === SERVER_SOURCE
}

/** Of a copy, in the folder that it is of. */
export const COPY_FILES = { catalog: 'catalog.db', about: 'about.json' } as const
/** Folders of the data folder that are copied with all their files. */
export const COPY_FOLDERS = ['keys', 'tls'] as const
