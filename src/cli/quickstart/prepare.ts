/** What a quickstart needs before it can protect anything: keys, a pool, a vault service with a vault, and the pool's registration there. */
import { hasCode } from '../../base/errors.ts'
import { randomHex } from '../../base/random.ts'
import { makePassphrase, type Secret } from '../../repository/index.ts'
import { LocalDiskStore } from '../../storage/index.ts'
import { isThere, makeFolders, makePrivateFile, readSmallFile } from '../files.ts'
import { makePool } from '../make-pool.ts'
import { lockRegistration, type OpenPool, openPool } from '../pool.ts'
import type { Running } from '../programs.ts'
import { finishRegistration, readStateToRegister, startRegistration, withSuffix } from '../registration.ts'
import { type Run, withoutSignal } from '../run.ts'
import { readPassphraseFile } from '../secrets.ts'
import { type OpenVaultCopy, openVaultCopy } from '../vault-copy.ts'
import { type QuickstartPlaces, VAULT_NAME } from './places.ts'

export async function preparePool(run: Run, places: QuickstartPlaces): Promise<OpenPool & { readonly isNew: boolean }> {
  await makeFolders(run.disk, places.keys)
  const store = new LocalDiskStore(run.disk, places.pool)
  const isPool = (await store.head(run.op, 'FORMAT')) ?? (await store.head(run.op, 'FORMAT.copy'))
  if (isPool) return { ...(await openPool(run, places.pool, { keyFile: places.poolKey }, 'write')), isNew: false }
  // Of an attempt that was cut off before there was a pool: it opens nothing.
  if (isThere(places.recoveryKey)) await run.disk.unlink(places.recoveryKey)
  const secret = { keyFile: places.poolKey }
  return { ...(await makePool(run, { folder: places.pool, secret, recovery: { file: places.recoveryKey } })), isNew: true }
}

/** Runs until it is closed. */
export async function startQuickstartVault(run: Run, places: QuickstartPlaces): Promise<Running> {
  const options = { dataFolder: places.vault, host: '127.0.0.1', port: 0, disk: run.disk }
  return run.programs.vault.start(withoutSignal(run.op), options)
}

/** The registration, made at the first time. */
export async function prepareCopy(run: Run, places: QuickstartPlaces, pool: OpenPool, vault: Running): Promise<OpenVaultCopy> {
  const { op, disk, programs } = run
  const lock = await lockRegistration(run, pool)
  try {
    if (!(await readStateToRegister(run, pool.repository)).copy) {
      try {
        await programs.vault.createVault(op, places.vault, { name: VAULT_NAME, redundancy: 'lrs' })
      } catch (error) {
        if (!hasCode(error, 'VAULT_EXISTS')) throw error
      }
      if (!isThere(places.vaultPassphrase)) {
        await makePrivateFile(disk, places.vaultPassphrase, `${makePassphrase(op.random)}\n`, 'the passphrase file')
      }
      const passphrase = await readPassphraseFile(disk, places.vaultPassphrase)
      const file = await programs.vault.downloadCredentials(op, places.vault, { name: VAULT_NAME, outFolder: places.keys })
      const credentials = (await readSmallFile(disk, file, 'the credentials file')).toString('utf8')
      await register(run, pool, credentials, passphrase)
    }
  } finally {
    await lock.release()
  }
  return openVaultCopy(run, pool.repository, vault.address)
}

/** A name that is taken is one of an attempt whose answer was lost, or of a pool that is gone. The vault is this quickstart's own. */
async function register(run: Run, pool: OpenPool, credentials: string, passphrase: Secret): Promise<void> {
  const started = await startRegistration(run, pool, { credentials })
  try {
    await finishRegistration(run, pool, started, passphrase)
  } catch (error) {
    if (!hasCode(error, 'VAULT_SERVER_NAME_TAKEN')) throw error
    const serverName = withSuffix(started.pending.serverName, randomHex(run.op.random, 4))
    await finishRegistration(run, pool, await startRegistration(run, pool, { credentials, serverName }), passphrase)
  }
}
