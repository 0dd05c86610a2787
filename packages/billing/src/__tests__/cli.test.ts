/** The real command, as a process, against a real database and the Stripe stand-in. */

import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { UsageError } from '../cli/command.ts'
import { parse, usage } from '../cli/parse.ts'
import { createCli, DB_PASSWORD } from './cli-process.ts'
import { createHarness, type Harness, SECRET_KEY, WEBHOOK_SECRET } from './harness.ts'

/** The default instance, said to be the host's. */
const DEFAULT_CONFIG = fileURLToPath(new URL('default.config.ts', import.meta.url))

let h: Harness
let made: ReturnType<typeof createCli>
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  made = createCli(h)
})
afterAll(() => h.close())

const cli: typeof made.run = (...args) => made.run(...args)

/** An owner who paid at the provider, of which nothing was delivered. */
async function paidElsewhere() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const [event] = (await h.events('checkout.session.completed')).slice(-1)
  return { ownerId, eventId: event?.id as string, event }
}

const planOf = async (ownerId: string) => (await h.billing.getSubscription(ownerId)).plan
const statusOf = async (eventId: string) => (await h.billing.showEvent(eventId)).status

test('events acknowledge removes an event from the list', async () => {
  const { ownerId, event, eventId } = await paidElsewhere()
  await h.deliver(event)
  await h.billing.syncCustomer(ownerId)
  await h.db.webhookEvent.updateMany({ where: { eventId }, data: { status: 'dead' } })
  expect(await cli(['events', 'acknowledge', eventId])).toMatchObject({ code: 2 })
  const run = await cli(['events', 'acknowledge', eventId, '--by', 'ada', '--json'])
  expect(run.json()).toEqual({ acknowledged: [eventId] })
  expect(await statusOf(eventId)).toBe('ignored')
})

describe('customers', () => {
  test('plans push prints what it created, and needs no database', async () => {
    const args = ['plans', 'push', '--json', '--config', DEFAULT_CONFIG]
    const run = await cli(args, { DATABASE_URL: '', APP_URL: '' })
    expect(run).toMatchObject({ code: 0, stderr: 'Every price is in place.\n' })
    expect(run.json()).toEqual({ made: [] })
    expect(run.target()).toMatchObject({ database: null, stripe: { mode: 'test' } })
  })

  test('sync writes the provider’s state of each owner that is named', async () => {
    const [first, second] = [await paidElsewhere(), await paidElsewhere()]
    const run = await cli(['sync', first.ownerId, second.ownerId, '--json'])
    expect(run.code).toBe(0)
    expect(run.json()).toMatchObject({
      synced: [
        { ownerId: first.ownerId, plan: 'PRO', status: 'active', written: true, problems: [] },
        { ownerId: second.ownerId, plan: 'PRO' },
      ],
    })
    expect(run.stderr).toContain(`2/2 ${second.ownerId}: PRO, active\n`)
    expect(await planOf(first.ownerId)).toBe('PRO')
  })

  test('link takes a customer over, and restore says that there is nothing to restore', async () => {
    const ownerId = await h.owner()
    const { id } = await h.stripe.customers.create({ name: 'Ada' })
    const run = await cli(['customers', 'link', ownerId, '--customer', id, '--json'])
    expect(run).toMatchObject({ code: 0 })
    expect(run.json()).toMatchObject({ ownerId, customer: id, plan: 'FREE', status: null })
    const again = await cli(['customers', 'restore', await h.owner(), '--json'])
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(await cli(['customers', 'link', ownerId])).toMatchObject({ code: 2 })
  })

  test('account show prints the stored account, and account replace changes it only with --yes', async () => {
    await h.billing.ensureCustomer(await h.owner())
    const noted = await h.billing.getAccount()
    const shown = await cli(['account', 'show', '--json'])
    expect(shown.json()).toEqual({ account: noted })
    const asked = await cli(['account', 'replace', '--json'])
    expect(asked.json()).toEqual({ done: false, before: noted, account: noted })
    const done = await cli(['account', 'replace', '--yes', '--json'])
    expect(done.json()).toEqual({ done: true, before: noted, account: noted })
  })

  test('reconcile reports differences, and fails if it could not compare', async () => {
    const { ownerId } = await paidElsewhere()
    const run = await cli(['reconcile', '--json'])
    expect(run.code).toBe(0)
    expect(run.json()).toMatchObject({ differences: [{ ownerId }], failed: [] })
    expect(run.stderr).toMatch(new RegExp(`^${ownerId}: subscription sub_\\w+ new → active`, 'm'))
    expect(run.stderr).toMatch(/^\d+ customers compared, 1 differed and were repaired\.$/m)

    const failing = await cli(['reconcile', '--json'], { STRIPE_SECRET_KEY: 'sk_test_anotherkey' })
    expect(failing.code).toBe(1)
    const failed = { ownerId, reason: 'provider_rejected' }
    expect(failing.json()).toMatchObject({ failed: expect.arrayContaining([failed]) })
    expect(failing.stderr).toContain(`${ownerId}: not compared (provider_rejected)\n`)
  })

  test('a second subscription is listed, and ended only with a confirmation', async () => {
    const { ownerId, subscriptionId } = await h.subscriber()
    const second = await h.secondSubscription(subscriptionId)
    await h.billing.syncCustomer(ownerId)
    const reason = 'second_current_subscription'
    const list = await cli(['subscriptions', 'list', ownerId])
    expect(list).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `${ownerId}  ${second.id}  active  ${reason}\n`,
    })
    const asked = await cli(['subscriptions', 'resolve', ownerId, '--json'])
    const resolutions = [{ stripeSubscriptionId: second.id, refund: { currency: 'usd' } }]
    expect(asked.json()).toMatchObject({ done: false, resolutions })
    expect(asked.stderr).toContain('would be cancelled')
    expect(asked.stderr).toContain('Nothing was changed. Repeat with --yes to do it.')
    expect(await h.billing.listFlagged(ownerId)).toHaveLength(1)

    const done = await cli(['subscriptions', 'resolve', ownerId, '--yes', '--json'])
    expect(done.json()).toMatchObject({ done: true, resolutions })
    expect(await h.billing.listFlagged(ownerId)).toEqual([])
    expect(await planOf(ownerId)).toBe('PRO')
  })

  test('export prints JSON, indented or on one line', async () => {
    const { ownerId } = await h.subscriber()
    const [toRead, line] = await Promise.all([
      cli(['export', ownerId]),
      cli(['export', ownerId, '--json']),
    ])
    const customer = { ownerId, subscriptions: [{ status: 'active' }] }
    expect(line.json()).toMatchObject({ customer })
    expect(JSON.parse(toRead.stdout)).toMatchObject({ customer })
    expect(toRead.stdout).toContain('\n  "customer": {\n')
    expect(toRead.stderr + line.stderr).toBe('')
  })
})

describe('events', () => {
  test('a stored event is listed, shown, processed and replayed', async () => {
    const { ownerId, event, eventId } = await paidElsewhere()
    await h.deliver(event)
    const [list, shown] = await Promise.all([
      cli(['events', 'list', '--status', 'pending', '--limit', '5', '--json']),
      cli(['events', 'show', eventId, '--json']),
    ])
    expect(list.json()).toMatchObject({ events: [{ eventId, status: 'pending', attempts: 0 }] })
    expect(list.stdout).not.toContain('payload')
    expect(list.stderr).toMatch(
      new RegExp(`^\\S+Z  stripe  checkout.session.completed  ${eventId}  pending  -  0 tries\\n$`),
    )
    const { event: whole } = shown.json() as { event: { payload: string } }
    expect(whole).toMatchObject({ eventId, payload: JSON.stringify(event) })
    expect(whole).not.toHaveProperty('lease')

    const done = { processed: 1, waiting: 0, dead: 0 }
    const first = await cli(['events', 'process', '--json'])
    expect(first.json()).toEqual(done)
    expect(first.stderr).toMatch(/^1 processed, 0 postponed, 0 dead$/m)
    expect(await planOf(ownerId)).toBe('PRO')
    expect((await cli(['events', 'replay', eventId, '--json'])).json()).toEqual(done)
    expect(await statusOf(eventId)).toBe('processed')
  })

  test('dead events are tried again, and missing events are pulled', async () => {
    const dead = await paidElsewhere()
    await h.deliver(dead.event)
    await h.db.webhookEvent.updateMany({
      where: { eventId: dead.eventId },
      data: { status: 'dead', reason: 'provider_unavailable', attempts: 13 },
    })
    const retried = await cli(['events', 'retry-dead', '--json'])
    expect(retried.json()).toEqual({ retried: 1, processed: 1, waiting: 0, dead: 0 })
    expect(await planOf(dead.ownerId)).toBe('PRO')

    const missing = await paidElsewhere()
    const pulled = await cli(['events', 'pull', '--json'])
    expect(pulled.json()).toMatchObject({ pulled: expect.arrayContaining([missing.eventId]) })
    expect(pulled.stderr).toMatch(/^Stripe listed \d+ events; \d+ were missing\.$/m)
    expect(await planOf(missing.ownerId)).toBe('PRO')
  })
})

test('webhooks create prints the secret, once and alone; webhooks list shows what there is', async () => {
  const url = 'https://app.example.com/api/webhooks/stripe'
  const [created, local, plain] = await Promise.all([
    cli(['webhooks', 'create', url], { DATABASE_URL: '', APP_URL: '' }),
    cli(['webhooks', 'create', 'http://localhost:3000/hook', '--json']),
    cli(['webhooks', 'create', 'http://app.example.com/hook', '--json']),
  ])
  expect(created.code).toBe(0)
  expect(created.stdout).toMatch(/^whsec_\w{20,}\n$/)
  expect(created.stderr).toContain('STRIPE_WEBHOOK_SECRET')
  const secret = created.stdout.trim()
  expect(local.json()).toMatchObject({ isNew: true, secret: expect.stringMatching(/^whsec_/) })
  expect(plain).toMatchObject({ code: 2, stdout: '' })
  expect(plain.stderr).toMatch(
    /^The address of a webhook must be a full URL that begins with https:/,
  )

  const [ours] = (await h.stripe.webhookEndpoints.list()).data.filter((each) => each.url === url)
  await h.stripe.webhookEndpoints.update(ours?.id as string, { disabled: true })
  const [again, fits, list] = await Promise.all([
    cli(['webhooks', 'create', url, '--json']),
    cli(['webhooks', 'create', 'http://localhost:3000/hook']),
    cli(['webhooks', 'list', '--json']),
  ])
  expect(again.code).toBe(1)
  expect(again.json()).toMatchObject({ isNew: false, difference: { isDisabled: true } })
  expect(again.stderr).toMatch(
    new RegExp(`^The endpoint exists already: ${ours?.id}.*\nIt is disabled\\.\n`),
  )
  expect(fits).toMatchObject({ code: 0, stdout: '' })
  expect(fits.stderr).toContain('It is set up correctly.')
  expect(list.json()).toMatchObject({ endpoints: [{}, {}] })
  expect(list.stderr).toContain(`${ours?.id}  ${url}  disabled  2024-04-10  `)
  for (const run of [again, fits, list]) {
    for (const told of [secret, String(local.json().secret)]) {
      expect(run.stdout + run.stderr).not.toContain(told)
    }
  }
  expect(local.stderr + created.stderr).not.toContain('whsec_')
})

describe('a wrong call does nothing, says what is wrong and exits with 2', () => {
  const SYNC = 'pnpm billing sync <owner>…'

  test.each<[args: string[], message: string]>([
    [[], 'Name a command.\npnpm billing plans push\n'],
    [['evnts', 'list'], 'There is no command evnts list.\npnpm billing plans push\n'],
    [['events'], 'Name one of these commands.\npnpm billing events list'],
    [['events', 'lst'], 'There is no command events lst.\npnpm billing events list'],
    [['sync', '--json'], `sync needs <owner>….\n${SYNC} [--json]`],
    [['export', ''], 'export needs <owner>.\n'],
    [['events', 'show', 'evt_1', 'evt_2'], 'events show does not take evt_2.\n'],
    [['reconcile', 'me'], 'reconcile does not take me.\n'],
    [['reconcile', '--force'], "Unknown option '--force'"],
    [['events', 'process', '--yes'], 'events process does not take --yes.\n'],
    [['events', 'list', '--limit'], "'--limit <value>' argument missing"],
  ])('%j', (args, message) => {
    expect(() => parse(args)).toThrow(UsageError)
    expect(() => parse(args)).toThrow(message)
  })

  test('in a process of its own, too, and for an impossible value', async () => {
    const runs = await Promise.all([
      cli(['sync', '--json'], {}, { asProcess: true }),
      cli(['events', 'list', '--limit', '0']),
      cli(['events', 'list', '--status', 'pending,lost']),
    ])
    const said = [
      `sync needs <owner>….\n${SYNC} [--json]\n`,
      '--limit must be a whole number from 1 to 10000, not 0.\n',
      '--status must be pending, processed, ignored, needs_attention, dead, not lost.\n',
    ]
    for (const [index, stderr] of said.entries()) {
      expect(runs[index]).toMatchObject({ code: 2, stdout: '', stderr })
    }
  })

  test('help lists every command', () => {
    expect(parse(['events', 'list', '--help'])).toBeNull()
    expect(usage()).toContain(`${SYNC}\n`)
    expect(usage()).toContain(
      'pnpm billing events list [--status pending,dead,…] [--limit 100] [--after <id>]\n',
    )
  })
})

describe('a failed command prints a sentence and exits with 1', () => {
  test('for unknown owners and events', async () => {
    const [owner, event] = await Promise.all([
      cli(['sync', 'nobody', '--json']),
      cli(['events', 'replay', 'evt_none', '--json']),
    ])
    const nothing = { code: 1, stdout: '' }
    expect(owner).toMatchObject({ ...nothing, stderr: 'There is no owner nobody.\n' })
    expect(event).toMatchObject({ ...nothing, stderr: 'There is no event evt_none to replay.\n' })
  })

  test('for missing variables, all at once and before any request', async () => {
    const { eventId, event } = await paidElsewhere()
    await h.deliver(event)
    const run = await cli(['events', 'process', '--json'], { STRIPE_SECRET_KEY: '', APP_URL: '' })
    expect(run).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        'The environment is not complete (see .env.example):\n' +
        '  STRIPE_SECRET_KEY is missing\n  APP_URL is missing\n',
    })
    expect(await h.billing.showEvent(eventId)).toMatchObject({ status: 'pending', attempts: 0 })
    await h.work()
  })

  test('for a database or provider that does not answer, or refuses the key', async () => {
    const { ownerId } = await h.subscriber()
    const [database, provider, key] = await Promise.all([
      cli(
        ['events', 'list', '--json'],
        { DATABASE_URL: `postgresql://tollgate:${DB_PASSWORD}@127.0.0.1:1/none` },
        { asProcess: true },
      ),
      cli(['sync', ownerId, '--json'], { STRIPE_API_BASE: 'http://127.0.0.1:1' }),
      cli(['sync', ownerId, '--json'], { STRIPE_SECRET_KEY: 'sk_test_anotherkey' }),
    ])
    for (const run of [database, provider, key]) expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(database.stderr).toContain('127.0.0.1:1')
    expect(provider.stderr).toMatch(/^Stripe could not be reached/m)
    expect(key.stderr).toMatch(/^Stripe refused the request \(StripeAuthenticationError/m)
  })
})

test('promise 7: no output contains a secret', () => {
  const said = made.said()
  expect(said.length).toBeGreaterThan(1000)
  const secrets = [SECRET_KEY, WEBHOOK_SECRET, DB_PASSWORD, 'sk_test_anotherkey']
  for (const secret of secrets) expect(said).not.toContain(secret)
})
