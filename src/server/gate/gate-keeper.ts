/** The gate (§10.1–10.3): what the server knows of its vault, asked by every job and shown by `terp cloud status`. */
import { z } from 'zod'
import { type Gate, type Gated, type GateFacts, GRACE_DAYS, gate, type Refusal, type Subscription } from '../../protection/index.ts'
import type { AlertDesk } from '../alerts/alert-desk.ts'
import type { ServerContext } from '../context.ts'
import { everyRole, guardians } from '../http/route.ts'
import { defineSetting, readSetting } from '../settings/setting.ts'

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
})

const contactShape = z.object({
  lastContactMs: z.number().nullable().default(null),
  isReachable: z.boolean().optional(),
  subscription: z.enum(['active', 'expired', 'deprovisioned', 'none']).default('none'),
})
const CONTACT = 'cloud-contact'

export class GateKeeper {
  readonly #context: ServerContext
  readonly #alerts: AlertDesk

  constructor(context: ServerContext, alerts: AlertDesk) {
    this.#context = context
    this.#alerts = alerts
  }

  async facts(): Promise<GateFacts> {
    const stored = contactShape.parse((await this.#context.catalog.settings.find(CONTACT))?.value ?? {})
    const { policy, graceDays } = (await readSetting(this.#context, offlineSetting)).value
    const { lastContactMs, isReachable, subscription } = stored
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

  /** An attempt to reach the vault: what it said of the subscription, or that there was no answer. Registration counts. */
  async contacted(answer: { readonly subscription: Exclude<Subscription, 'none'> } | undefined): Promise<void> {
    const { settings } = this.#context.catalog
    const before = contactShape.parse((await settings.find(CONTACT))?.value ?? {})
    const nowMs = this.#context.op.clock.nowMs()
    const after = answer
      ? { lastContactMs: nowMs, isReachable: true, subscription: answer.subscription }
      : { lastContactMs: before.lastContactMs, isReachable: false, subscription: before.subscription }
    await settings.put(CONTACT, after, { by: 'server' })
    await this.watch()
  }

  /** From the first day without the vault there is a countdown, and an alert that says it. */
  async watch(): Promise<void> {
    const { countdown, subscription } = await this.state()
    if (countdown) await this.#alerts.raise('cloud-unreachable', { id: '', name: 'vault', message: countdown.message })
    else await this.#alerts.resolve('cloud-unreachable', '')
    if (subscription === 'expired' || subscription === 'deprovisioned') {
      await this.#alerts.raise('subscription-not-active', {
        id: '',
        name: 'vault',
        message: `the subscription of the vault is ${subscription}`,
      })
    } else await this.#alerts.resolve('subscription-not-active', '')
  }
}
