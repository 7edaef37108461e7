/** A real directory (Debian's slapd) in a temporary folder, on free ports of this machine, as a child of the test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import { systemRandom } from '../../../base/random.ts'
import { makeCertificate } from '../../../certificates/index.ts'

const SLAPD = '/usr/sbin/slapd'
export const slapdMissing = existsSync(SLAPD) ? false : 'slapd is not installed (npm run setup:test)'
export const BASE = 'dc=example,dc=org'
export const READER = { dn: `cn=reader,${BASE}`, password: 'reader secret' }

export interface TestDirectory {
  readonly ldaps: string
  readonly startTls: string
  /** PEM, of its own making. */
  readonly certificate: string
  /** A change in LDIF, by its administrator. */
  modify(ldif: string): Promise<void>
  stop(): Promise<void>
}

const person = (dn: string, uid: string, password: string, cn = uid) =>
  `dn: ${dn},${BASE}\nobjectClass: inetOrgPerson\nuid: ${uid}\nsn: x\ncn: ${cn}\nuserPassword: ${password}\n`
const group = (cn: string, ...members: string[]) =>
  `dn: cn=${cn},${BASE}\nobjectClass: groupOfNames\ncn: ${cn}\n${members.map((dn) => `member: ${dn},${BASE}\n`).join('')}`

const CONTENT = [
  `dn: ${BASE}\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n`,
  `dn: ${READER.dn}\nobjectClass: person\nsn: x\ncn: reader\nuserPassword: ${READER.password}\n`,
  person('uid=ann', 'ann', 'password of ann'),
  person('cn=Smith\\, Bob (*)', 'bob', 'password of bob', 'Smith, Bob (*)'),
  person('uid=cyd', 'cyd', 'password of cyd'),
  person('uid=admin', 'admin', 'password of another admin'),
  group('backup (night)', 'uid=ann', 'uid=admin'),
  group('lookers', 'cn=Smith\\, Bob (*)', 'uid=ann'),
].join('\n')

export async function aDirectory(t: Pick<TestContext, 'after'>): Promise<TestDirectory> {
  const folder = await mkdtemp(join(tmpdir(), 'terp-slapd-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const at = (name: string) => join(folder, name)
  const { certificate, privateKey } = await testCertificate()
  await mkdir(at('db'))
  await writeFile(at('cert.pem'), certificate)
  await writeFile(at('key.pem'), privateKey)
  await writeFile(at('content.ldif'), CONTENT)
  const schemas = ['core', 'cosine', 'inetorgperson'].map((name) => `include /etc/ldap/schema/${name}.schema\n`).join('')
  await writeFile(
    at('slapd.conf'),
    `${schemas}pidfile ${at('pid')}\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\nTLSCertificateFile ${at('cert.pem')}\n` +
      `TLSCertificateKeyFile ${at('key.pem')}\nallow bind_anon_dn bind_anon_cred\ndatabase mdb\nmaxsize 16777216\nsuffix "${BASE}"\nrootdn "cn=root,${BASE}"\n` +
      `rootpw root\ndirectory ${at('db')}\naccess to attrs=userPassword by anonymous auth by * none\naccess to * by users read by anonymous read\n`,
  )
  await run(SLAPD, ['-T', 'add', '-f', at('slapd.conf'), '-l', at('content.ldif')])
  const [plain, secure] = [await freePort(), await freePort()]
  const urls = { startTls: `ldap://localhost:${plain}`, ldaps: `ldaps://localhost:${secure}` }
  const child = spawn(SLAPD, ['-f', at('slapd.conf'), '-h', `${urls.startTls} ${urls.ldaps}`, '-d', '0'], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGKILL')
    await gone
  }
  t.after(stop)
  await untilListening(plain)
  return {
    ...urls,
    certificate,
    modify: (ldif) => run('/usr/bin/ldapmodify', ['-x', '-H', urls.startTls, '-D', `cn=root,${BASE}`, '-w', 'root'], ldif),
    stop,
  }
}

async function testCertificate() {
  return await makeCertificate({
    random: systemRandom(),
    nowMs: systemClock().nowMs(),
    name: 'localhost',
    hosts: ['localhost'],
    algorithm: 'p-256',
  })
}

async function run(command: string, args: readonly string[], input = ''): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.on('data', (part) => {
    told += part
  })
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command}: ${told}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function untilListening(port: number): Promise<void> {
  const clock = systemClock()
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, 'localhost', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (isUp) return
    await clock.sleep(100)
  }
  throw new Error('slapd does not listen')
}
