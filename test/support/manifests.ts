import type { ManifestBody, ManifestPublic } from '../../src/repository/manifest/manifest.ts'

/** A valid manifest of the source `src`, without anything that it names. */
export function aManifest(given: { sequence?: number } = {}): { publicPart: ManifestPublic; body: ManifestBody } {
  const sequence = given.sequence ?? 1
  const id = '5a'.repeat(16)
  return {
    publicPart: { id, source: 'ab'.repeat(16), sequence, previous: 'cd'.repeat(32), packs: ['ef'.repeat(32)] },
    body: {
      id,
      source: 'src',
      sequence,
      started: '2026-01-01T00:00:00.000Z',
      finished: '2026-01-01T00:01:00.000Z',
      host: 'höst',
      paths: [{ text: '/a', base64: 'YQ==' }],
      excludes: [],
      root: '01'.repeat(32),
      level: 0,
      epoch: 7,
      program: 'test',
      statistics: { files: 1, folders: 2, others: 3, total_bytes: 4, data_added: 5, data_added_packed: 6 },
      warnings: 0,
      previous_point: null,
    },
  }
}
