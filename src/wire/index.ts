/** Shapes of everything that crosses the network, the signature on it, and one exchange of it. */
export * from './access-api.ts'
export * from './agent-api.ts'
export * from './agent-bundle.ts'
export { type AgentRequest, AgentSigner, verifyAgentRequest } from './agent-signature.ts'
export type { Credentials, UnsignedCredentials } from './credentials.ts'
export { credentialsShape, expiredCredentials, foreignCredentials, parseCredentials, unreadableCredentials } from './credentials.ts'
export { domainCodes, type Peer, peerErrors, wireError } from './errors.ts'
export type { Answer, ExchangeRequest, Fetch, Fetched } from './exchange.ts'
export { exchange, readAnswer } from './exchange.ts'
export * from './people-api.ts'
export * from './pools-api.ts'
export type { Problem } from './problem.ts'
export { problemShape, problemType, toProblem } from './problem.ts'
export * from './protection-api.ts'
export * from './recovery-api.ts'
export type { Redundancy } from './shapes.ts'
export { firstIssue, idShape, serverNameShape, sha256Shape, timestampShape, urlShape, vaultNameShape } from './shapes.ts'
export type { SignedRequest } from './signature.ts'
export {
  makeSigningKey,
  privateKeyText,
  publicKeyText,
  readPublicKey,
  readSigningKey,
  sha256Hex,
  signCredentials,
  signedHeaders,
  UNREGISTERED,
  verifyCredentials,
  verifyRequest,
} from './signature.ts'
export type { CreateVault, RegisteredServer, ServerDescription, VaultDescription } from './vault-api.ts'
export {
  createVaultShape,
  listQueryShape,
  listShape,
  putShape,
  recoveryOpenedShape,
  recoveryShape,
  registeredShape,
  registrationShape,
  serverShape,
  serversShape,
  vaultHeaders,
  vaultLimits,
  vaultPaths,
  vaultShape,
} from './vault-api.ts'
