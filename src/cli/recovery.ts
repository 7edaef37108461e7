/** The servers of a vault, as a recovery session and a passphrase open them: on any machine, without the pool. */
import { hasCode, isKind, TerpError } from '../base/errors.ts'
import { type RecoveryPoint, Repository, repositoryError } from '../repository/index.ts'
import { openRecovery, openVaultStore, type StoreDescriptor } from '../storage/index.ts'
import { cliError } from './errors.ts'
import { readSmallFile } from './files.ts'
import { shortId } from './present.ts'
import type { Run } from './run.ts'
import { getSecret } from './secrets.ts'

export interface VaultServer {
  readonly id: string
  readonly name: string
  readonly repository: Repository
  readonly descriptor: StoreDescriptor
}

export interface VaultQuery {
  readonly credentialsFile: string
  readonly passphraseFile?: string
  readonly server?: string
}

/**
 * Those that the passphrase opens, at least one. SERVER_NOT_FOUND, SECRET_WRONG, REPOSITORY_NOT_FOUND when no server has stored anything.
 * One that is damaged is a warning as long as another one opens.
 */
export async function openVaultServers(run: Run, query: VaultQuery): Promise<VaultServer[]> {
  const { op, disk } = run
  const credentials = (await readSmallFile(disk, query.credentialsFile, 'the credentials file')).toString('utf8')
  const { passphraseFile } = query
  const secret = await getSecret(op, run, passphraseFile === undefined ? {} : { passphraseFile }, 'the copy in the vault')
  const session = await openRecovery(op, { credentials, fetch })
  const wanted = session.servers.filter(({ name }) => query.server === undefined || name === query.server)
  if (wanted.length === 0) throw noServer(query.server)

  const opened: VaultServer[] = []
  const wrong: string[] = []
  const broken: TerpError[] = []
  for (const { id: serverId, name } of wanted) {
    const access = { url: session.url, serverId, bearerToken: session.token }
    try {
      const repository = await Repository.open(op, await openVaultStore(access), secret)
      opened.push({ id: serverId, name, repository, descriptor: { kind: 'vault', ...access } })
    } catch (error) {
      // Each server has a passphrase of its own, one that registered only has no copy yet, and one that is damaged must not keep the others back.
      if (hasCode(error, 'SECRET_WRONG')) wrong.push(name)
      else if (isKind(error, 'corrupt') || isKind(error, 'invalid')) broken.push(ofServer(error, name))
      else if (!hasCode(error, 'REPOSITORY_NOT_FOUND')) throw error
    }
  }
  // When none opens, the first is the failure itself.
  for (const { code, message, context } of opened.length > 0 ? broken : broken.slice(1)) {
    run.warn({ code, message, item: String(context.server) })
  }
  if (opened.length > 0) return opened
  if (broken[0]) throw broken[0]
  if (wrong.length === 0) throw repositoryError('REPOSITORY_NOT_FOUND', `no server has stored anything in the vault at ${session.url}`)
  throw repositoryError('SECRET_WRONG', `this passphrase does not open the copy of ${wrong.join(', ')}`, {
    hint: 'Check that the file holds the passphrase that was given to `terp pool register`.',
  })
}

function ofServer(error: TerpError, server: string): TerpError {
  const context = { ...error.context, server }
  return new TerpError(error.code, error, `the copy of ${server} can not be opened: ${error.message}`, { cause: error, context })
}

function noServer(name: string | undefined): TerpError {
  if (name === undefined)
    return cliError('SERVER_NOT_FOUND', 'no server is registered with this vault', { hint: 'Register one with `terp pool register`.' })
  return cliError('SERVER_NOT_FOUND', `the vault has no server ${name}`, { context: { server: name } })
}

/** `latest` is the latest of all servers. POINT_NOT_FOUND, POINT_AMBIGUOUS. */
export async function findRecoveryPoint(
  run: Run,
  servers: readonly VaultServer[],
  query: string,
): Promise<{ point: RecoveryPoint; server: VaultServer }> {
  const found: { point: RecoveryPoint; server: VaultServer }[] = []
  let notFound: unknown
  for (const server of servers) {
    try {
      found.push({ point: await server.repository.findPoint(run.op, query), server })
    } catch (error) {
      if (!hasCode(error, 'POINT_NOT_FOUND')) throw error
      notFound = error
    }
  }
  found.sort((a, b) => (a.point.finished < b.point.finished ? 1 : -1))
  const [first, second] = found
  if (!first) throw notFound
  if (second && query !== 'latest') {
    const ids = found.map(({ point, server }) => `${shortId(point.id)} of ${server.name}`).join(', ')
    throw repositoryError('POINT_AMBIGUOUS', `${query} begins the ids of several recovery points: ${ids}`)
  }
  return first
}
