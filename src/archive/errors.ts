import { defineErrors } from '../base/errors.ts'

export const archiveError = defineErrors({
  TREE_DAMAGED: { kind: 'corrupt', hint: 'This recovery point can not be read here; restore it from the other copy with `terp recover`.' },
  SOURCE_NOT_FOUND: { kind: 'not-found', hint: 'Check the path; nothing was backed up.' },
  SOURCE_UNREADABLE: { kind: 'forbidden', hint: 'Run the backup as a user who may read it, or exclude it.' },
  SOURCE_VANISHED: { kind: 'not-found', hint: 'It was deleted or renamed while the backup ran; the next backup sees what is there then.' },
  SOURCE_CHANGED: { kind: 'conflict', hint: 'It was written to while it was read; stop the writer, or back up from a snapshot.' },
  SOURCE_EXHAUSTED: {
    kind: 'exhausted',
    hint: 'The process or the machine has no memory or open files left: raise the limits (ulimit -n), or free memory.',
  },
  SOURCE_IS_LINK: {
    kind: 'invalid',
    hint: 'Only the link itself is protected: give the path that it points to, or end the path with a slash.',
  },
  PATH_NOT_IN_POINT: { kind: 'not-found', hint: 'Look for it with `terp pool browse`.' },
  TARGET_NOT_A_FOLDER: { kind: 'invalid', hint: 'Give a folder as the target; it is made if it does not exist.' },
  TARGET_EXISTS: { kind: 'conflict', hint: 'Choose --overwrite if-changed, always or copy.' },
  TARGET_FORBIDDEN: { kind: 'forbidden', hint: 'Run the restore as a user who may write there.' },
  TARGET_FULL: { kind: 'exhausted', hint: 'Free space on the target and run the restore again with --overwrite if-changed.' },
  TARGET_IO: { kind: 'unavailable', hint: 'The target reported an error; check its disk.' },
  TARGET_REFUSED: {
    kind: 'invalid',
    hint: 'The file system of the target can not hold this item: its name, its size or its kind; restore it to another one.',
  },
  NAME_HOSTILE: { kind: 'forbidden', hint: 'This name would leave the target; it was not restored.' },
  KIND_SKIPPED: { kind: 'invalid', hint: 'Sockets are made again by the programs that own them.' },
  VIEW_UNPROVEN_CHUNK: { kind: 'forbidden', hint: 'The agent may be faulty or taken over: look at its log, and enrol it anew.' },
  VIEW_COMMITTED: { kind: 'conflict', hint: 'The recovery point was made by an earlier attempt: nothing is to be done.' },
  METADATA_PARTIAL: { kind: 'forbidden', hint: 'Run the restore as root to get back owners, devices and protected attributes.' },
})
