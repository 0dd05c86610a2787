/**
 * What is measured in fresh processes: imports, a first session, a first webhook.
 *
 * @module
 */

import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD } from '@repo/auth/testing'
import { stripeWebhookRequest } from '@repo/billing/testing'
import { createDb, migrate } from '@repo/db'
import { startPostgres } from '@repo/db/testing'
import { migrateJobs } from '@repo/jobs'
import type { Scope } from '../harness/scope.ts'
import { IMPORTS } from './modules.ts'
import type { Probe } from './probe.ts'
import { createPeer } from './probes/peer.ts'
import type { SessionSettings, WebhookSettings } from './probes/settings.ts'

/** Something to measure in a fresh process. */
export interface Subject {
  name: string
  probe: Probe
  /** The settings of the next process. */
  settings(): Promise<object>
}

const SECRET = 'a-secret-for-tests-of-32-characters'
const WEBHOOK_SECRET = 'whsec_bench'

/** The imports. */
export const imports = (): Subject[] =>
  Object.entries(IMPORTS).map(([name, modules]) => ({
    name,
    probe: 'import',
    settings: async () => ({ modules }),
  }))

/** The first requests, against a database with one signed-in user on either side. */
export async function requests(scope: Scope): Promise<Subject[]> {
  const postgres = await startPostgres()
  scope.add(() => postgres.stop())
  const url = await postgres.createDatabase('bench')
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url)
  scope.add(() => db.$disconnect())

  const auth = createTestAuth({ db })
  scope.add(() => auth.close())
  const { email, userId } = await auth.signIn()
  const at = { url, origin: TEST_ORIGIN, secret: SECRET }
  const ours = async (isHandler: boolean): Promise<SessionSettings> => {
    // A token lives five minutes, so each process gets a new one.
    const answer = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
    return { ...at, userId, cookie: cookiesOf(answer), isHandler }
  }

  const peer = (await createPeer())(db, at)
  const signedUp = await peer.api.signUpEmail({
    body: { name: 'Ada', email: 'peer@example.com', password: TEST_PASSWORD },
    asResponse: true,
  })
  const cookie = cookiesOf(signedUp)
  const { user } = (await signedUp.json()) as { user: { id: string } }
  const theirs = async (isHandler: boolean): Promise<SessionSettings> => ({
    ...at,
    userId: user.id,
    cookie,
    isHandler,
  })

  let events = 0
  const delivery = async (): Promise<WebhookSettings> => {
    events += 1
    const payload = eventOf(`evt_bench${events}`)
    const { headers } = stripeWebhookRequest(payload, { secret: WEBHOOK_SECRET })
    const signature = headers.get('stripe-signature') ?? ''
    return { url, secret: WEBHOOK_SECRET, payload, signature }
  }
  return [
    { name: 'getSession', probe: 'session', settings: () => ours(false) },
    { name: 'getSession of better-auth', probe: 'better-auth', settings: () => theirs(false) },
    { name: '/get-session', probe: 'session', settings: () => ours(true) },
    { name: '/get-session of better-auth', probe: 'better-auth', settings: () => theirs(true) },
    { name: 'webhook', probe: 'webhook', settings: delivery },
    { name: 'webhook, limit', probe: 'limit', settings: delivery },
  ]
}

/** An event of a customer, as Stripe sends it. */
const eventOf = (id: string): string =>
  JSON.stringify({
    id,
    object: 'event',
    api_version: '2024-04-10',
    created: Math.floor(Date.now() / 1000),
    livemode: false,
    type: 'customer.updated',
    data: { object: { id: 'cus_bench', object: 'customer', email: null } },
  })
