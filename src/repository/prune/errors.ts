import { defineErrors } from '../../base/errors.ts'

export const pruneError = defineErrors({
  PRUNE_BUSY: { kind: 'locked', retry: 'later', hint: 'Another expire or prune of this pool runs; wait until it has finished.' },
  PRUNE_FORMAT_OLD: {
    kind: 'conflict',
    hint: 'Programs that know only format 1 may write to this pool, and do not see what a prune is about to delete: make a new pool with `terp pool init`.',
  },
  PRUNE_UNREADABLE: {
    kind: 'corrupt',
    hint: 'Nothing was deleted, because what the recovery points need is not fully known: run a backup, then `terp pool verify`.',
  },
  PRUNE_IMPLAUSIBLE: {
    kind: 'conflict',
    hint: 'Nothing was deleted: look with `terp pool verify` and `terp pool list` whether something is missing; if all is as it should be, repeat with --accept-unexplained.',
  },
  PRUNE_SUPERSEDED: { kind: 'conflict', hint: 'Another expire or prune took over meanwhile; run the command again.' },
  PRUNE_RESURRECTED: { kind: 'conflict', hint: 'A backup came to need it while it waited to be deleted; it stays, and nothing is lost.' },
  PRUNE_PACK_KEPT: { kind: 'corrupt', hint: 'It could not be read as a whole, so it stays as it is; run `terp pool verify --read-data`.' },
  PRUNE_COPY_DAMAGED: {
    kind: 'corrupt',
    hint: 'What it stood for is kept elsewhere, and nothing is lost by this prune; run `terp pool verify --read-data`, so that it is noted.',
  },
  PRUNE_COPIES_DAMAGED: {
    kind: 'corrupt',
    hint: 'None of the packs that hold it goes; run `terp pool verify --read-data`, then a backup, which stores again what it finds.',
  },
  POINT_LAST: { kind: 'conflict', hint: 'Nothing was expired: leave one recovery point of each source, or repeat with --allow-last.' },
})
