/** What the command line needs of the other programs. src/main.ts hands them in, so that no room here knows theirs, and none is loaded in vain. */
import type { Operation } from '../base/operation.ts'
import type { Disk } from '../platform/index.ts'
import type { Repository } from '../repository/index.ts'

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

export interface Programs {
  readonly version: string
  /** Where Terp itself lies: what a quickstart protects if nothing else is named. */
  readonly projectFolder: string
  readonly vault: VaultProgram
  readonly page: PageProgram
}
