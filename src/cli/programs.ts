/** What the command line needs of the other programs. src/main.ts hands them in, so that no room here knows theirs, and none is loaded in vain. */
import type { PlainError } from '../base/errors.ts'
import type { Operation } from '../base/operation.ts'
import type { Disk } from '../platform/index.ts'
import type { Repository, Secret } from '../repository/index.ts'

export interface Running {
  /** For people on this machine: an address to open or to call. */
  readonly address: string
  close(): Promise<void>
}

export interface VaultStartOptions {
  readonly dataFolder: string
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly disk: Disk
}

export interface VaultProgram {
  start(op: Operation, options: VaultStartOptions): Promise<Running>
  createVault(
    op: Operation,
    dataFolder: string,
    options: { readonly name: string; readonly redundancy: 'lrs' | 'grs' },
  ): Promise<{ readonly name: string; readonly redundancy: string }>
  /** The path of the new file. */
  downloadCredentials(op: Operation, dataFolder: string, options: { readonly name: string; readonly outFolder: string }): Promise<string>
}

export interface PageProgram {
  /** The address holds the page's token: whoever has it may look. `vault` is only asked which recovery points it has. */
  start(
    op: Operation,
    options: { readonly repository: Repository; readonly vault?: Repository; readonly host: string; readonly port: number },
  ): Promise<Running>
}

export interface ServerStartOptions {
  readonly dataFolder: string
  readonly host: string
  /** Of people and programs; 0: any free one. */
  readonly port: number
  /** Of agents; 0: any free one. */
  readonly agentPort: number
  /** As agents reach it, where that is another address. */
  readonly agentUrl?: string | undefined
  readonly disk: Disk
  readonly certificate?: { readonly certificatePath: string; readonly keyPath: string } | undefined
}

export interface RunningServer extends Running {
  /** Where agents call. */
  readonly agentAddress: string
  /** SHA-256 of the certificate, `AB:CD:…`. */
  readonly fingerprint: string
  /** While there is no account. */
  readonly setupSecret: string | undefined
}

/** What lies in the data folder of a server on this machine. */
export interface ServerFiles {
  /** Where it listens, or listened last. */
  readonly address: string | undefined
  readonly fingerprint: string | undefined
  readonly setupSecret: string | undefined
}

export interface ServerRestoreOptions {
  readonly disk: Disk
  /** Of a pool volume. */
  readonly poolFolder: string
  readonly secret: Secret
  readonly dataFolder: string
  /** Id of the copy, or its beginning; the newest by default. */
  readonly copy?: string | undefined
}

export interface RestoredServer {
  readonly dataFolder: string
  readonly copy: { readonly id: string; readonly finishedMs: number }
  readonly agents: number
  readonly sources: number
  readonly pools: readonly { readonly name: string; readonly folder: string; readonly isThere: boolean; readonly isMoved: boolean }[]
}

export interface ServerProgram {
  restore(op: Operation, options: ServerRestoreOptions): Promise<RestoredServer>
  start(op: Operation, options: ServerStartOptions): Promise<RunningServer>
  look(disk: Disk, dataFolder: string): Promise<ServerFiles>
  /** While no server runs on the folder. `secret`: a first password, to be shown once. */
  resetAdministrator(
    op: Operation,
    options: { readonly disk: Disk; readonly dataFolder: string; readonly name: string | undefined },
  ): Promise<{ readonly name: string; readonly secret: string; readonly isNew: boolean }>
}

export interface AgentEnrollOptions {
  readonly disk: Disk
  readonly folder: string
  readonly token: string
  readonly url?: string | undefined
  readonly name: string
  readonly replace: boolean
}

export interface AgentIdentity {
  readonly agentId: string
  readonly name: string
  readonly url: string
  readonly serverId: string
}

export interface AgentDescription extends AgentIdentity {
  readonly folder: string
  readonly serverKey: string
  readonly isRunning: boolean
  readonly last?: { readonly at: string; readonly state: string; readonly text: string }
}

export type AgentState =
  | { readonly kind: 'connected'; readonly epoch: number }
  | { readonly kind: 'waiting'; readonly error: PlainError; readonly againInMs: number }
  | { readonly kind: 'job'; readonly jobId: string; readonly what: string }
  | { readonly kind: 'job-ended'; readonly jobId: string; readonly what: string; readonly error?: PlainError }

export interface MadeBundle {
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly version: string
}

export interface AgentProgram {
  enroll(op: Operation, options: AgentEnrollOptions): Promise<AgentIdentity>
  describe(folder: string, disk: Disk): Promise<AgentDescription>
  /** Makes the agent a single file. */
  bundle(op: Operation, options: { readonly out: string }): Promise<MadeBundle>
  /** Until the signal is aborted. `acceptsUpdates`: its server may replace the file from which it runs; it goes on as what is in its place then. */
  start(
    op: Operation,
    options: {
      readonly folder: string
      readonly disk: Disk
      readonly acceptsUpdates: boolean
      readonly onState: (state: AgentState) => void
    },
  ): Promise<void>
}

export interface Programs {
  readonly version: string
  /** Where Terp itself lies: what a quickstart protects if nothing else is named. */
  readonly projectFolder: string
  readonly vault: VaultProgram
  readonly page: PageProgram
  readonly server: ServerProgram
  readonly agent: AgentProgram
}
