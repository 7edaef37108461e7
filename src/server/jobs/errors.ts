import { defineErrors } from '../../base/errors.ts'

export const jobError = defineErrors({
  JOB_AGENT_LOST: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'Check the machine, its network, and that the agent runs; the job begins anew and sends nothing twice.',
  },
  JOB_INTERRUPTED: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'The server or the agent was restarted; the job is taken up again by itself.',
  },
  JOB_CANCELLED: { kind: 'cancelled', hint: 'Start it again if it was not meant to be cancelled; nothing is sent twice.' },
  JOB_STUCK: {
    kind: 'exhausted',
    hint: 'Look at the link to the vault; the job was given up after 30 days, and what it sent is not sent again.',
  },
  JOB_POINT_MISSING: {
    kind: 'corrupt',
    retry: 'later',
    hint: 'The agent says that it made a recovery point, and the pool does not hold it; the backup runs again.',
  },
  FILTERS_TOO_MANY: { kind: 'exhausted', hint: 'Remove saved filters that nobody uses.' },
  FILTER_UNKNOWN: { kind: 'not-found', hint: 'List the saved filters; names are as they were written.' },
  JOB_NOT_RETRYABLE: { kind: 'conflict', hint: 'Only a job that has failed or was cancelled is started again.' },
  JOB_WITHOUT_SUBJECT: { kind: 'not-found', hint: 'What the job was about was removed meanwhile: nothing is to be done.' },
  JOB_WAITING_ALREADY: { kind: 'conflict', hint: 'A job of this kind waits already; look at it with `terp job list`.' },
  AGENT_AWAY: {
    kind: 'unavailable',
    retry: 'later',
    hint: 'The agent is not connected: check the machine, its network, and that the agent runs.',
  },
  AGENT_SILENT: { kind: 'unavailable', retry: 'later', hint: 'The agent was asked and gave no answer in time; try again.' },
})
