/** Where alerts are sent: mail, webhooks, and a sign of life to who notices when it stops. */
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { channelInputShape, channelShape, deliveryShape, firstIssue } from '../../wire/index.ts'
import type { Api } from '../api/api.ts'
import { chooseItem } from '../api/find-item.ts'
import { addServerCommand, type On, type ServerCommandOptions } from '../api/server-command.ts'
import { shortTime, showDone, showList, yesNo } from '../api/show.ts'
import { type CommandHost, collect, parseCount, parsePort } from '../command.ts'
import { cliError } from '../errors.ts'
import { readSmallFile } from '../files.ts'
import { shortId } from '../present.ts'

const CHANNEL = [['<CHANNEL>', 'name, id, or the beginning of an id']] as const
const channelsShape = z.object({ items: z.array(channelShape) })
type Channel = z.output<typeof channelShape>

const findChannel = async (api: Api, argument = '') => chooseItem((await api.get('/channels', channelsShape)).items, argument, 'channel')

export function addChannelList(parent: Command, host: CommandHost): void {
  const about = {
    name: 'list',
    summary: 'list where alerts are sent',
    description: 'Lists the channels over which alerts are sent.',
    examples: ['terp channel list'],
  }
  addServerCommand(parent, host, about, async ({ api, output }) => {
    const columns = [
      { title: 'ID', of: ({ id }: Channel) => shortId(id) },
      { title: 'NAME', of: ({ name }: Channel) => name },
      { title: 'KIND', of: ({ kind }: Channel) => kind },
      { title: 'TO', of: placeOf },
      { title: 'SEVERITIES', of: ({ kind, severities }: Channel) => (kind === 'heartbeat' ? undefined : severities.join(', ')) },
      { title: 'ENABLED', of: ({ isEnabled }: Channel) => yesNo(isEnabled) },
    ]
    const none = 'no channels: nobody is told of alerts; add one with: terp channel add-mail'
    showList(output, (await api.get('/channels', channelsShape)).items, columns, none)
    return undefined
  })
}

function placeOf({ options: { to, url } }: Channel): string {
  return Array.isArray(to) ? to.join(', ') : String(url ?? '')
}

interface CommonOptions extends ServerCommandOptions {
  readonly severity?: string[]
}

const SEVERITIES = ['critical', 'warning', 'informational']

const severityOption = (command: Command) =>
  command.option('--severity <severity>', 'only of these; may be given several times (default: critical and warning)', collectSeverity)

function collectSeverity(value: string, before: string[] | undefined): string[] {
  if (!SEVERITIES.includes(value)) throw cliError('USAGE_INVALID', `${value} is no severity; there are ${SEVERITIES.join(', ')}`)
  return collect(value, before)
}

interface MailOptions extends CommonOptions {
  readonly host: string
  readonly port?: number
  readonly security?: string
  readonly from: string
  readonly to: string[]
  readonly user?: string
  readonly passwordFile?: string
}

export function addChannelAddMail(parent: Command, host: CommandHost): void {
  const about = {
    name: 'add-mail',
    summary: 'send alerts by mail',
    description: 'Sends alerts by mail. Try it out with `terp channel test`.',
    arguments: [['<NAME>', 'what the channel is called']] as const,
    options: (command: Command) =>
      severityOption(
        command
          .requiredOption('--host <name>', 'the mail server')
          .option('--port <n>', 'its port (default: 587)', parsePort)
          .addOption(
            new Option('--security <how>', 'TLS from the first byte, TLS demanded by STARTTLS, or none (default: starttls)').choices([
              'tls',
              'starttls',
              'none',
            ]),
          )
          .requiredOption('--from <address>', 'who it comes from')
          .requiredOption('--to <address>', 'who gets it; may be given several times', collect)
          .option('--user <name>', 'for signing in to the mail server')
          .option('--password-file <file>', 'file with the password for it'),
      ),
    examples: ['terp channel add-mail admins --host mail.example --from terp@example.org --to admins@example.org'],
  }
  addServerCommand(parent, host, about, async (on, options: MailOptions, name) => {
    const { host: server, port, security, from, to, user, passwordFile } = options
    const given = { host: server, from, to, ...(port && { port }), ...(security && { security }), ...(user !== undefined && { user }) }
    return await add(on, { kind: 'smtp', name, options: given, ...(await common(on, options, passwordFile)) })
  })
}

interface WebhookOptions extends CommonOptions {
  readonly url: string
  readonly secretFile: string
}

export function addChannelAddWebhook(parent: Command, host: CommandHost): void {
  const about = {
    name: 'add-webhook',
    summary: 'send alerts to a program',
    description: 'Sends alerts as JSON to an address, signed with a secret that both know.',
    arguments: [['<NAME>', 'what the channel is called']] as const,
    options: (command: Command) =>
      severityOption(
        command
          .requiredOption('--url <url>', 'where to')
          .requiredOption('--secret-file <file>', 'file with the secret: the key of the signature (HMAC-SHA-256)'),
      ),
    examples: ['terp channel add-webhook chat --url https://chat.example/hooks/terp --secret-file /etc/terp/hook'],
  }
  addServerCommand(parent, host, about, async (on, options: WebhookOptions, name) => {
    const { url, secretFile } = options
    return await add(on, { kind: 'webhook', name, options: { url }, ...(await common(on, options, secretFile)) })
  })
}

interface HeartbeatOptions extends ServerCommandOptions {
  readonly url: string
  readonly every?: number
}

export function addChannelAddHeartbeat(parent: Command, host: CommandHost): void {
  const about = {
    name: 'add-heartbeat',
    summary: 'give a sign of life',
    description:
      'Calls an address again and again while all is in order. A service that notices when it stops (a dead-man switch) tells you of a server that can not speak any more.',
    arguments: [['<NAME>', 'what the channel is called']] as const,
    options: (command: Command) =>
      command.requiredOption('--url <url>', 'what is called').option('--every <minutes>', 'how often (default: 5)', parseCount),
    examples: ['terp channel add-heartbeat watch --url https://watch.example/ping/3f9a --every 10'],
  }
  addServerCommand(parent, host, about, async (on, { url, every }: HeartbeatOptions, name) =>
    add(on, { kind: 'heartbeat', name, options: { url, ...(every !== undefined && { everyMinutes: every }) } }),
  )
}

async function common({ run }: On, { severity }: CommonOptions, secretFile: string | undefined) {
  const secret = secretFile === undefined ? undefined : await readSmallFile(run.disk, secretFile, 'the file with the secret')
  return {
    ...(severity && { severities: severity }),
    ...(secret && { secret: secret.toString('utf8').replace(/\r?\n$/, '') }),
  }
}

async function add({ run, api }: On, body: object) {
  const made = await api.send('POST', '/channels', channelShape, { body: checked(body) })
  const what = made.kind === 'heartbeat' ? 'signs of life' : 'alerts'
  showDone(run, made, `${what} go to ${placeOf(made)}; try it out with: terp channel test ${made.name}`)
  return undefined
}

/** USAGE_INVALID, before anything is sent. */
function checked(body: object) {
  const parsed = channelInputShape.safeParse(body)
  if (!parsed.success) throw cliError('USAGE_INVALID', firstIssue(parsed.error))
  return parsed.data
}

interface ChangeOptions extends CommonOptions {
  readonly to?: string[]
  readonly url?: string
  readonly secretFile?: string
  readonly disable?: boolean
  readonly enable?: boolean
}

export function addChannelChange(parent: Command, host: CommandHost): void {
  const about = {
    name: 'change',
    summary: 'change a channel',
    description: 'Changes where a channel leads and what is sent over it, or switches it off and on. What is not named stays.',
    arguments: CHANNEL,
    options: (command: Command) =>
      severityOption(
        command
          .option('--to <address>', 'of mail: who gets it; may be given several times', collect)
          .option('--url <url>', 'of a webhook or a sign of life: where to')
          .option('--secret-file <file>', 'file with another password or secret')
          .addOption(new Option('--disable', 'nothing is sent over it any more').conflicts('enable'))
          .option('--enable', 'use it again'),
      ),
    examples: ['terp channel change admins --to ann@example.org --to bob@example.org', 'terp channel change chat --disable'],
  }
  addServerCommand(parent, host, about, async (on, options: ChangeOptions, argument) => {
    const { id, kind, name, severities, isEnabled, version, options: is } = await findChannel(on.api, argument)
    const { to, url, disable, enable } = options
    const body = checked({
      kind,
      name,
      severities,
      options: { ...is, ...(to && { to }), ...(url !== undefined && { url }) },
      isEnabled: disable === true ? false : enable === true ? true : isEnabled,
      ...(await common(on, options, options.secretFile)),
    })
    const after = await on.api.send('PUT', `/channels/${id}`, channelShape, { body, version })
    showDone(on.run, after, `changed the channel ${after.name}: ${after.isEnabled ? placeOf(after) : 'disabled'}`)
    return undefined
  })
}

export function addChannelRemove(parent: Command, host: CommandHost): void {
  const about = {
    name: 'remove',
    summary: 'remove a channel',
    description: 'Removes a channel, with what waits to be sent over it.',
    arguments: CHANNEL,
    examples: ['terp channel remove chat'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument) => {
    const { id, name } = await findChannel(api, argument)
    await api.act('DELETE', `/channels/${id}`)
    showDone(run, { id, name }, `removed the channel ${name}`)
    return undefined
  })
}

export function addChannelTest(parent: Command, host: CommandHost): void {
  const about = {
    name: 'test',
    summary: 'send a test message',
    description: 'Sends a test message over a channel now, and says how that went.',
    arguments: CHANNEL,
    examples: ['terp channel test admins'],
  }
  addServerCommand(parent, host, about, async ({ run, api }, _: ServerCommandOptions, argument) => {
    const channel = await findChannel(api, argument)
    await api.act('POST', `/channels/${channel.id}/test`)
    showDone(run, { id: channel.id, name: channel.name, sent: true }, `sent a test message to ${placeOf(channel)}`)
    return undefined
  })
}

export function addChannelDeliveries(parent: Command, host: CommandHost): void {
  const about = {
    name: 'deliveries',
    summary: 'list what was sent over a channel',
    description: 'Lists what was sent over a channel or waits to be, the newest first. Times are UTC.',
    arguments: CHANNEL,
    examples: ['terp channel deliveries admins'],
  }
  addServerCommand(parent, host, about, async ({ api, output }, _: ServerCommandOptions, argument) => {
    const { id } = await findChannel(api, argument)
    const { items } = await api.get(`/channels/${id}/deliveries`, z.object({ items: z.array(deliveryShape) }))
    type Delivery = z.output<typeof deliveryShape>
    const columns = [
      { title: 'TIME', of: ({ created }: Delivery) => shortTime(created) },
      { title: 'EVENT', of: ({ event }: Delivery) => event },
      { title: 'STATE', of: ({ state }: Delivery) => state },
      { title: 'ATTEMPTS', align: 'right' as const, of: ({ attempts }: Delivery) => attempts },
      { title: 'LAST ERROR', of: ({ lastError }: Delivery) => lastError },
    ]
    showList(output, items, columns, 'nothing was sent over it')
    return undefined
  })
}
