import { defineErrors } from '../../base/errors.ts'

export const agentError = defineErrors({
  AGENT_UNKNOWN: { kind: 'unauthenticated', hint: 'Enrol the agent with `terp agent enroll`; it may have been removed on the server.' },
  AGENT_DISABLED: { kind: 'forbidden', hint: 'Enable the agent on the server with `terp agent enable`.' },
  AGENT_SIGNATURE_INVALID: {
    kind: 'unauthenticated',
    hint: 'The agent was enrolled again elsewhere, or its key file was replaced: enrol it anew.',
  },
  AGENT_CLOCK_SKEWED: {
    kind: 'unauthenticated',
    hint: 'Set the clock of the agent: it may differ from that of the server by five minutes.',
  },
  AGENT_REPLAYED: { kind: 'unauthenticated', hint: 'A request came twice; if this repeats, somebody may record what the agent says.' },
  AGENT_SUPERSEDED: {
    kind: 'conflict',
    hint: 'A newer process of this agent has said hello. Two processes must not run with one identity: stop one, or enrol it apart.',
  },
  // Not "later": the same request again would be refused again, and an agent says hello after such an error.
  AGENT_EPOCH_UNKNOWN: {
    kind: 'conflict',
    hint: 'The server was rebuilt from a copy of its configuration; the agent says hello anew by itself.',
  },
  AGENT_PROTOCOL_UNKNOWN: { kind: 'invalid', hint: 'Agent and server have no version of the protocol in common: update the older one.' },
  AGENT_TOKEN_INVALID: { kind: 'unauthenticated', hint: 'Make a new enrolment token on the server; each is good once, and for 24 hours.' },
  AGENT_REQUEST_INVALID: { kind: 'invalid', hint: 'The agent may be of another version than the server: update it.' },
  AGENT_ROUTE_NOT_FOUND: { kind: 'not-found', hint: 'The agent may be of a newer version than the server: update the server.' },
  SESSION_UNKNOWN: {
    kind: 'not-found',
    hint: 'The session has ended, or the server was restarted: the job begins anew and sends nothing twice.',
  },
  SESSION_REFUSED: { kind: 'forbidden', hint: 'An agent works on its own jobs alone, while they run.' },
  AGENT_UPDATE_NOT_TAKEN: {
    kind: 'conflict',
    hint: 'It must run from a single file, started with --accept-updates. Otherwise update it on its machine: the file of `terp agent bundle`, or npm.',
  },
  AGENT_UPDATE_MISSING: {
    kind: 'not-found',
    hint: 'Publish one on the machine of the server: `terp agent bundle --publish` and its data folder.',
  },
  SERVER_BODY_MISMATCH: {
    kind: 'invalid',
    retry: 'later',
    hint: 'The body is not what was signed: something between agent and server changes it.',
  },
})
