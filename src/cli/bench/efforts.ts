/** How long and how much is measured: half a minute for people, a moment for tests. */
export interface Efforts {
  /** For each primitive. */
  readonly primitiveMs: number
  /** For writing, and again for reading. */
  readonly diskMs: number
  readonly objectBytes: number
  /** At most; a slow disk gets less. */
  readonly trialBytes: number
}

/** Objects as large as packs. */
export const USUAL_EFFORTS: Efforts = { primitiveMs: 500, diskMs: 3000, objectBytes: 32 << 20, trialBytes: 256 << 20 }
