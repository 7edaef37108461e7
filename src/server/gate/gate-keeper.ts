/**
 * The gate (§10.1–10.4): what the server knows of its vault, asked by every job and shown by `terp cloud status`. The vault is asked every few minutes; what it said last,
 * and when, is in the catalog, so a restart forgets nothing and the days without contact go on counting.
 */
import { z } from 'zod'
import { asTerpError, hasCode } from '../../base/errors.ts'
import {
  changeSubscription,
  type Gate,
  type Gated,
  type GateFacts,
  GRACE_DAYS,
  gate,
  isRegistered,
  type Refusal,
  type RegistrationEvent,
  type RegistrationState,
  refusalError,
  refuse,
  registrationMachine,
  transition,
} from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { memoryOf, remember } from '../groups/source-memory.ts'
import { everyRole, guardians } from '../http/route.ts'
import { Alarm } from '../jobs/alarm.ts'
import { asJson, defineSetting, readSetting } from '../settings/setting.ts'
import { vaultError } from './errors.ts'
import type { VaultAnswer, VaultLink } from './vault-link.ts'

/** Changed with care: it says what happens when the second copy is out of reach for long. */
export const offlineSetting = defineSetting({
  name: 'offline',
  summary: 'Whether backups to disk go on when the vault has been out of reach for longer than the grace.',
  shape: z.strictObject({
    policy: z.enum(['stop-all', 'keep-local']).default('stop-all'),
    graceDays: z.int().min(1).max(60).default(GRACE_DAYS),
  }),
  readers: everyRole,
  writers: guardians,
  stepUp: true,
  // Backups that stop earlier.
  needsSecond: (before, after) => (before.policy === 'keep-local' && after.policy !== 'keep-local') || after.graceDays < before.graceDays,
})

const contactShape = z.object({
  lastContactMs: z.number().nullable().default(null),
  isReachable: z.boolean().optional(),
  subscription: z.enum(['active', 'expired', 'deprovisioned', 'none']).default('none'),
  registration: z.enum(['unregistered', 'registered', 'policy-out-of-sync', 'certificate-invalid']).default('unregistered'),
  vaultName: z.string().optional(),
  registeredMs: z.number().optional(),
})
type Contact = z.infer<typeof contactShape>

export interface Registration {
  readonly state: RegistrationState
  readonly vaultName?: string | undefined
  readonly sinceMs?: number | undefined
}

const CONTACT = 'cloud-contact'
const ASK_EVERY_MS = 5 * 60_000
const VAULT = { id: '', name: 'vault' } as const

export class GateKeeper {
  readonly #context: ServerContext
  readonly #alerts: AlertDesk
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  #link: VaultLink | undefined
  #loop: Promise<void> | undefined

  constructor(context: ServerContext, alerts: AlertDesk, link?: VaultLink) {
    this.#context = context
    this.#alerts = alerts
    this.#link = link
    this.#alarm = new Alarm(context.op.clock, AbortSignal.any([context.op.signal, this.#stop.signal]))
  }

  async start(): Promise<void> {
    this.#loop = this.#work()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#loop
  }

  /** Of a registered vault, where its client runs. */
  get link(): VaultLink | undefined {
    return this.#link
  }

  async registration(): Promise<Registration> {
    const { registration, vaultName, registeredMs } = await this.#read()
    return { state: registration, vaultName, sinceMs: registeredMs }
  }

  async facts(): Promise<GateFacts> {
    const { lastContactMs, isReachable, subscription } = await this.#read()
    const { policy, graceDays } = (await readSetting(this.#context, offlineSetting)).value
    const facts = { lastContactMs, subscription, nowMs: this.#context.op.clock.nowMs(), offlinePolicy: policy, graceDays }
    return { ...facts, ...(isReachable !== undefined && { isReachable }) }
  }

  async state(): Promise<Gate> {
    return gate(await this.facts())
  }

  /** Undefined: it may run. */
  async refusalOf(act: Gated): Promise<Refusal | undefined> {
    const verdict = (await this.state())[act]
    return verdict.isAllowed ? undefined : verdict.refusal
  }

  /** The vault has taken this server in; or again, with a certificate that is good. VAULT_REGISTERED_ELSEWHERE, SUBSCRIPTION_EXPIRED, SUBSCRIPTION_DEPROVISIONED, and what the vault says. */
  async register(link: VaultLink): Promise<void> {
    const { op } = this.#context
    const before = await this.#read()
    if (isRegistered(before.registration) && before.vaultName !== link.vaultName)
      throw vaultError('VAULT_REGISTERED_ELSEWHERE', `this server is registered with the vault ${before.vaultName}`)
    const answer = await link.contact(op)
    const { subscription } = answer
    if (subscription === 'expired') throw refusalError(refuse('SUBSCRIPTION_EXPIRED', 'the subscription of the vault has expired'))
    if (subscription === 'deprovisioned')
      throw refusalError(refuse('SUBSCRIPTION_DEPROVISIONED', 'the subscription of the vault was ended'))
    const nowMs = op.clock.nowMs()
    await this.#write({ ...before, registration: 'registered', vaultName: link.vaultName, registeredMs: before.registeredMs ?? nowMs })
    this.#link = link
    await this.contacted(answer)
    this.#alarm.ring()
  }

  /** What is in the vault stays there; nothing of it is asked any more. */
  async unregister(): Promise<void> {
    this.#link = undefined
    await this.#write(contactShape.parse({}))
    await this.watch()
  }

  /** Asks the vault now, where there is one. */
  async ask(): Promise<void> {
    if (!isRegistered((await this.#read()).registration)) return
    const link = this.#link
    try {
      await this.contacted(link && (await link.contact(this.#context.op)))
    } catch (error) {
      if (this.#context.op.signal.aborted) return
      if (hasCode(error, 'VAULT_CERTIFICATE_INVALID')) await this.#registrationEvent('certificate-refused')
      await this.contacted(undefined)
    }
  }

  /** An attempt to reach the vault: what it said, or that there was no answer. Registration counts. */
  async contacted(answer: VaultAnswer | undefined): Promise<void> {
    const before = await this.#read()
    const nowMs = this.#context.op.clock.nowMs()
    if (!answer) await this.#write({ ...before, isReachable: false })
    else {
      const change = changeSubscription(before.subscription, answer.subscription)
      // What can not be is not believed, but it was an answer.
      if (!change.isLegal) this.#context.op.warn({ code: change.refusal.code, message: change.refusal.message, item: 'vault' })
      const subscription = change.isLegal ? answer.subscription : before.subscription
      await this.#write({ ...before, lastContactMs: nowMs, isReachable: true, subscription })
      if (change.isLegal && change.purgesVault) await this.#vaultIsEmpty()
      if (before.registration === 'registered' && answer.isPolicyOutOfSync === true) await this.#registrationEvent('policy-refused')
      if (before.registration === 'policy-out-of-sync' && answer.isPolicyOutOfSync !== true)
        await this.#registrationEvent('policy-accepted')
    }
    await this.watch()
  }

  /** From the first day without the vault there is a countdown, and an alert that says it. */
  async watch(): Promise<void> {
    const { countdown, subscription } = await this.state()
    const { registration } = await this.#read()
    const again = registration === 'certificate-invalid' ? '; the vault knows this server no longer: register it again' : ''
    if (countdown) await this.#alerts.raise('cloud-unreachable', { ...VAULT, message: `${countdown.message}${again}` })
    else await this.#alerts.resolve('cloud-unreachable', '')
    if (subscription === 'expired' || subscription === 'deprovisioned') {
      await this.#alerts.raise('subscription-not-active', { ...VAULT, message: `the subscription of the vault is ${subscription}` })
    } else await this.#alerts.resolve('subscription-not-active', '')
    if (registration === 'policy-out-of-sync')
      await this.#alerts.raise('policy-out-of-sync', { ...VAULT, message: 'the vault does not know the latest policy' })
    else await this.#alerts.resolve('policy-out-of-sync', '')
  }

  /** §10.2: on entry into `deprovisioned`, once, all points in the vault are gone for good. What is on disk stays. */
  async #vaultIsEmpty(): Promise<void> {
    const { catalog } = this.#context
    let points = 0
    await catalog.transaction(async (records) => {
      for (const source of await records.sources.all()) {
        const { online } = memoryOf(source)
        if (!online) continue
        points += online.points
        await remember(records, source.id, { online: undefined })
      }
      await records.audit.append({
        actor: { kind: 'server', id: '', name: 'server' },
        address: '',
        action: 'vault.purged',
        subject: { kind: 'server', id: '' },
        outcome: 'done',
        details: { reason: 'the subscription was ended', points },
      })
    })
  }

  async #registrationEvent(event: RegistrationEvent): Promise<void> {
    const before = await this.#read()
    const next = transition(registrationMachine, before.registration, event)
    if (next.isLegal) await this.#write({ ...before, registration: next.to })
  }

  async #work(): Promise<void> {
    const { op } = this.#context
    while (!this.#stop.signal.aborted && !op.signal.aborted) {
      await this.ask().catch((error: unknown) => {
        if (op.signal.aborted) return
        const { code, message } = asTerpError(error)
        op.warn({ code, message, item: 'vault' })
      })
      await this.#alarm.wait(ASK_EVERY_MS)
    }
  }

  async #read(): Promise<Contact> {
    return contactShape.parse((await this.#context.catalog.settings.find(CONTACT))?.value ?? {})
  }

  async #write(contact: Contact): Promise<void> {
    await this.#context.catalog.settings.put(CONTACT, asJson(contact), { by: 'server' })
  }
}
