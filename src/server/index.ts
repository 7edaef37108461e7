/** The backup server. */

export { type ResetAdministrator, type ResetOptions, resetAdministrator } from './auth/reset-administrator.ts'
export { type RestoredServer, type RestoreServerOptions, restoreServer } from './configuration-copy/restore-server.ts'
export type { ServerContext } from './context.ts'
export { lookAtServer, type ServerFiles } from './look.ts'
export type { MakePart, ServerPart } from './part.ts'
export { type RunServerOptions, runServer, type WholeServer } from './run-server.ts'
export { type RunningServer, type ServerOptions, startServer } from './start.ts'
