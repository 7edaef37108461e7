/** The door of the room: the program on a protected machine. */
export { type AgentOptions, type AgentState, runAgent } from './agent.ts'
export { type BundleOptions, type MadeBundle, makeBundle } from './bundle/make-bundle.ts'
export { type EnrollOptions, enroll } from './enroll.ts'
export { type AgentIdentity, readIdentity } from './identity.ts'
export { type AgentDescription, describeAgent, type StartAgentOptions, startAgent } from './program.ts'
