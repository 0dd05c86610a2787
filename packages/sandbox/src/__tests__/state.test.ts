/** The state over a restart, and what importing the package does. */

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as entry from '../index.ts'
import { SECRET, start, startReceiver, subscribe } from './harness.ts'

let root: string
let stateFile: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sandbox-state-'))
  stateFile = join(root, 'deep', 'state.json')
})
// A sandbox may still be writing: it stops after this.
afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 5 }))

test('a restart forgets nothing: records, keys, bookings and what was still to be sent', async () => {
  const receiver = await startReceiver()
  const webhooks = [{ url: receiver.url, secret: SECRET }]
  const first = await start({ stateFile, stripe: { webhooks } })
  first.sandbox.stripe.pause()
  const { subscription, customer } = await subscribe(first.client())
  const keyed = await first.client().customers.create({ name: 'B' }, { idempotencyKey: 'k' })
  const booking = first.sandbox.calcom.book({
    slug: 'acme/strategy-call',
    start: new Date(Date.now() + 86_400_000),
    attendee: { name: 'Ada', email: 'ada@example.com' },
  })
  const events = first.sandbox.stripe.events
  await first.sandbox.stop()
  expect(receiver.received).toEqual([])
  expect((await stat(stateFile)).mode & 0o077).toBe(0)
  expect(await readdir(join(root, 'deep'))).toEqual(['state.json'])

  const moved = await startReceiver()
  const second = await start({
    stateFile,
    stripe: { webhooks: [{ url: moved.url, secret: SECRET }] },
  })
  const stripe = second.client()
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
    customer: customer.id,
    status: 'active',
  })
  const replay = await stripe.customers.create({ name: 'B' }, { idempotencyKey: 'k' })
  expect(replay.id).toBe(keyed.id)
  expect(second.sandbox.calcom.bookings).toMatchObject([{ uid: booking.uid }])
  await second.sandbox.stripe.settled()
  expect(receiver.received).toEqual([])
  const ids = moved.received.map(({ body }) => JSON.parse(body).id as string)
  expect(new Set(ids)).toEqual(new Set(events.map(({ id }) => id)))
  expect(second.sandbox.stripe.events.map(({ id }) => id)).toEqual(events.map(({ id }) => id))
  second.sandbox.stripe.renew(subscription.id)
})

test('the state is written soon after a change, without a stop', async () => {
  const running = await start({ stateFile })
  const customer = await running.client().customers.create({})
  await expect.poll(() => readFile(stateFile, 'utf8').catch(() => '')).toContain(customer.id)
})

test.each(['{"half":', 'null', '{"version":2}'])(
  'a state file %s is an error that names it',
  async (text) => {
    stateFile = join(root, 'state.json')
    await writeFile(stateFile, text)
    await expect(start({ stateFile })).rejects.toMatchObject({ code: 'state_file_unreadable' })
    expect(await readFile(stateFile, 'utf8')).toBe(text)
  },
)

test('a sandbox listens once', async () => {
  const { sandbox } = await start()
  await expect(sandbox.listen()).rejects.toMatchObject({ code: 'already_listening' })
})

test('a stand-in works alone, without a server', async () => {
  const alone = entry.createStripeSandbox({ secretKey: 'sk_test_alone' })
  const response = await alone.fetch(
    new Request('http://stripe.test/v1/customers', {
      method: 'POST',
      headers: { authorization: 'Bearer sk_test_alone' },
      body: 'email=a%40example.com',
    }),
  )
  expect(await response.json()).toMatchObject({ object: 'customer', email: 'a@example.com' })
  const copy = entry.createStripeSandbox({ secretKey: 'sk_test_alone' })
  copy.restore(alone.snapshot())
  expect(copy.events).toEqual(alone.events)
})

test('the exports are these', () => {
  expect(Object.keys(entry).sort()).toEqual([
    'SandboxError',
    'StripeApiError',
    'createCalcomSandbox',
    'createCreemSandbox',
    'createMailboxSandbox',
    'createOAuthSandbox',
    'createSandbox',
    'createStripeSandbox',
  ])
})
