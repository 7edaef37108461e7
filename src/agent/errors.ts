import { defineErrors } from '../base/errors.ts'

export const agentProgramError = defineErrors({
  AGENT_NOT_ENROLLED: { kind: 'not-found', hint: 'Enrol it first: make a token on the server and give it to `terp agent enroll`.' },
  AGENT_ENROLLED_ALREADY: {
    kind: 'conflict',
    hint: 'One identity serves one server. Give another --data folder, or --replace to leave the other server.',
  },
  AGENT_IDENTITY_DAMAGED: { kind: 'corrupt', hint: 'Enrol the agent again with a new token; its recovery points stay on the server.' },
  AGENT_TOKEN_UNREADABLE: { kind: 'invalid', hint: 'Copy the whole token, from `terp1.` to its end.' },
  AGENT_RUNNING: { kind: 'locked', retry: 'later', hint: 'An agent runs with this data folder already: stop it, or give another folder.' },
  AGENT_SCRIPT_FAILED: { kind: 'invalid', hint: 'Run the script by hand on that machine; the backup did not begin.' },
  AGENT_SCRIPT_FORBIDDEN: {
    kind: 'forbidden',
    hint: 'The administrator of the machine allows scripts by putting them into the agent’s scripts folder.',
  },
  AGENT_BUNDLE_FAILED: { kind: 'unavailable', retry: 'later', hint: 'The single file could not be made: see why.' },
  AGENT_UPDATE_DAMAGED: { kind: 'corrupt', retry: 'later', hint: 'Nothing was replaced. Publish the file on the server anew.' },
  AGENT_UPDATE_IMPOSSIBLE: {
    kind: 'invalid',
    hint: 'The agent must run from a single file in a folder that it may write to; or replace the file by hand.',
  },
  AGENT_WORKLOAD_UNKNOWN: { kind: 'invalid', hint: 'The agent may be older than the server: update it.' },
})
