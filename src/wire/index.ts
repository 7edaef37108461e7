/** Shapes of everything that crosses the network, the signature on it, and one exchange of it. */
export type { Credentials, UnsignedCredentials } from './credentials.ts'
export { credentialsShape, expiredCredentials, foreignCredentials, parseCredentials, unreadableCredentials } from './credentials.ts'
export { domainCodes, wireError } from './errors.ts'
export type { Answer, ExchangeRequest, Fetch } from './exchange.ts'
export { exchange, readAnswer } from './exchange.ts'
export type { Problem } from './problem.ts'
export { problemType, toProblem } from './problem.ts'
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
