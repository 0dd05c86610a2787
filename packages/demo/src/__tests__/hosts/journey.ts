/** A customer's first minutes over a host's API: sign-up, mail, sign-in, checkout, webhook, plan. */

import { createDb } from '@repo/db'
import { expect } from 'vitest'
import { createVisitor, type Visitor } from '../../visitor.ts'
import type { HostApp } from './host-app.ts'

const PASSWORD = 'correct horse battery'
const CARD = { number: '4242 4242 4242 4242', expiry: '12 / 34', cvc: '123' }

/** Signs up, confirms the address by the mailed link, and signs in. */
export async function signUp(host: HostApp, email: string): Promise<Visitor> {
  const visitor = createVisitor()
  await visitor.open(`${host.url}/`)
  const post = async (path: string, body: object) => {
    const { status, body: text } = await visitor.call('POST', path, body)
    expect({ path, status, text }).toMatchObject({ path, status: 200 })
  }
  await post('/api/auth/sign-up/email', { name: 'Ada', email, password: PASSWORD })
  await post('/api/auth/confirm-email', { token: await mailedToken(host, email) })
  await post('/api/auth/sign-in/email', { email, password: PASSWORD })
  return visitor
}

async function mailedToken({ mailboxUrl }: HostApp, email: string): Promise<string> {
  const find = async () => {
    const answer = await fetch(`${mailboxUrl}/api/messages?to=${encodeURIComponent(email)}`)
    const { messages } = (await answer.json()) as { messages: { text: string }[] }
    return messages.map(({ text }) => /token=([\w-]+)/.exec(text)?.[1]).find((token) => token) ?? ''
  }
  await expect.poll(find).not.toBe('')
  return find()
}

/** Goes from the sign-up to the plan PRO, and leaves again. */
export async function goesToPro(host: HostApp, email: string): Promise<void> {
  const stranger = createVisitor()
  await stranger.open(`${host.url}/`)
  const refused = await stranger.call('GET', '/api/me')
  expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
    401,
    { code: 'not_authenticated' },
  ])

  const visitor = await signUp(host, email)
  const plan = async () => {
    const { status, body } = await visitor.call('GET', '/api/me')
    expect({ status, body }).toMatchObject({ status: 200 })
    return (JSON.parse(body) as { plan: string }).plan
  }
  expect(await plan()).toBe('FREE')
  const { status, headers } = await visitor.call('POST', '/api/upgrade')
  expect([302, 303]).toContain(status)
  await visitor.open(headers.location as string)
  await visitor.press('Pay', CARD)
  expect(new URL(visitor.url).href).toMatch(`${host.url}/`)
  expect(new URL(visitor.url).searchParams.get('done')).toBe('subscribed')
  await expect.poll(plan).toBe('PRO')
  await webhooksAreProcessed(host, email)

  // An expired access token is renewed with the next answer.
  visitor.drop('tollgate.access_token')
  expect(await plan()).toBe('PRO')
  expect(visitor.holds('tollgate.access_token')).toBe(true)
  expect((await visitor.call('POST', '/api/auth/sign-out', {})).status).toBe(200)
  expect((await visitor.call('GET', '/api/me')).status).toBe(401)
}

/** Waits until the worker has processed all webhooks that the host has stored, and looks at what they left. */
async function webhooksAreProcessed({ databaseUrl }: HostApp, email: string): Promise<void> {
  const db = createDb(databaseUrl)
  try {
    const { id: ownerId } = await db.user.findUniqueOrThrow({ where: { email } })
    const paid = { status: 'processed', type: 'invoice.paid' }
    await expect.poll(() => db.webhookEvent.count({ where: paid })).toBeGreaterThan(0)
    await expect.poll(() => db.webhookEvent.count({ where: { status: 'pending' } })).toBe(0)
    const subscription = await db.subscription.findFirst({ where: { customer: { ownerId } } })
    expect(subscription?.status).toBe('active')
    const ledger = await db.creditTransaction.findMany({ where: { ownerId } })
    expect(ledger.map(({ amount }) => Number(amount))).toEqual([1000])
  } finally {
    await db.$disconnect()
  }
}

/** A webhook without its signature is refused with what is wrong. */
export async function refusesForgedWebhooks({ url }: HostApp): Promise<void> {
  const answer = await fetch(`${url}/api/webhooks/stripe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  expect(answer.status).toBe(400)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
}

/**
 * A program signs in, keeps the cookie of its session to itself, and sends a token as a bearer. The end of the session ends
 * the token.
 */
export async function programIsServed(host: HostApp, email: string): Promise<void> {
  await signUp(host, email)
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(host.url + path, {
      redirect: 'manual',
      ...init,
      headers: { 'content-type': 'application/json', origin: host.url, ...init.headers },
    })
  const credentials = JSON.stringify({ email, password: PASSWORD })
  const signedIn = await ask('/api/auth/sign-in/email', { method: 'POST', body: credentials })
  expect(signedIn.status).toBe(200)
  const cookies = signedIn.headers.getSetCookie().map((line) => line.split(';')[0] ?? '')
  const cookie = cookies.filter((pair) => pair.includes('session_token')).join('; ')
  const token = async () => {
    const answer = await ask('/api/auth/access/refresh', { method: 'POST', headers: { cookie } })
    expect(answer.status).toBe(200)
    return (await answer.json()) as { accessToken: string }
  }
  const authorization = `Bearer ${(await token()).accessToken}`
  const mine = await ask('/api/me', { headers: { authorization } })
  expect(await mine.json()).toMatchObject({ plan: 'FREE' })
  // No cookie goes along, and none comes back.
  expect(mine.headers.getSetCookie()).toEqual([])
  const upgrade = await ask('/api/upgrade', { method: 'POST', headers: { authorization } })
  expect([upgrade.status, new URL(upgrade.headers.get('location') ?? '').origin]).toEqual([
    303,
    new URL(host.mailboxUrl).origin,
  ])
  const forged = `${authorization.slice(0, -4)}AAAA`
  expect((await ask('/api/me', { headers: { authorization: forged } })).status).toBe(401)

  const renewed = await ask('/api/auth/sign-out', {
    method: 'POST',
    headers: { cookie },
    body: '{}',
  })
  expect(renewed.status).toBe(200)
  const status = async () => (await ask('/api/me', { headers: { authorization } })).status
  await expect.poll(status).toBe(401)
}

/** No process of the host logged an error that the journey does not expect. */
export function loggedNoErrors({ printed }: HostApp): void {
  const failures = printed()
    .split('\n')
    .filter((line) => /"level":"error"|UnhandledPromise|Error:/.test(line))
  // On a slow machine a stand-in retries a delivery.
  expect(failures.filter((line) => !/ECONNRESET/.test(line))).toEqual([])
  expect(printed()).not.toContain('Passwords are hashed on the threads of other work')
}
