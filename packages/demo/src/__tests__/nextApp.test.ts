/**
 * The Next.js app in `packages/web`, as a host would have it: built without a variable, started, and used
 * over HTTP without script and in a real Chromium. Readers copy this app, so everything in it has to work.
 */

import { get, type IncomingMessage } from 'node:http'
import { createDb, type Database } from '@repo/db'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createVisitor, type Visitor } from '../visitor.ts'
import { launchChromium } from './chromium.ts'
import { type NextApp, startNextApp } from './next-app.ts'

const browser: Browser | null = await launchChromium()
const ACCESS = 'tollgate.access_token'
const SESSION = 'tollgate.session_token'
/** The cookie that is set for seconds after a renewal, so that the renewal is not repeated. */
const RENEWED = 'tollgate.renewed'
const PASSWORD = 'correct horse battery'
const NAVIGATION = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

let app: NextApp
let db: Database
beforeAll(async () => {
  const steps: string[] = []
  app = await startNextApp((step) => steps.push(step))
  db = createDb(app.databaseUrl)
  process.stdout.write(`The Next.js app: ${steps.join(', ')}.\n`)
})
afterAll(async () => {
  await browser?.close()
  await db?.$disconnect()
  await app?.stop()
})

/** The link in the mail that the worker has sent to `email`. */
async function mailed(email: string, page: string): Promise<string> {
  const link = new RegExp(`${app.url}${page}\\?token=[\\w-]+`)
  const find = async () => {
    const answer = await fetch(`${app.mailboxUrl}/api/messages?to=${encodeURIComponent(email)}`)
    const { messages } = (await answer.json()) as { messages: { text: string }[] }
    return messages.map(({ text }) => link.exec(text)?.[0]).find((found) => found) ?? ''
  }
  await expect.poll(find).not.toBe('')
  return find()
}

/** Waits until the worker has processed all webhooks that the route has stored. */
async function webhooksAreProcessed(ownerId: string): Promise<void> {
  const count = (status: string, type?: string) =>
    db.webhookEvent.count({ where: { status, ...(type ? { type } : {}) } })
  await expect.poll(() => count('processed', 'invoice.paid')).toBeGreaterThan(0)
  await expect.poll(() => count('pending')).toBe(0)
  const subscription = await db.subscription.findFirst({ where: { customer: { ownerId } } })
  expect(subscription?.status).toBe('active')
}

/** A request with headers that `fetch` does not let callers set. Redirects are not followed. */
function ask(path: string, headers: Record<string, string>): Promise<IncomingMessage & Body> {
  return new Promise((done, fail) => {
    get(`${app.url}${path}`, { headers }, async (answer) => {
      let body = ''
      for await (const chunk of answer.setEncoding('utf8')) body += chunk
      done(Object.assign(answer, { body }))
    }).on('error', fail)
  })
}
interface Body {
  body: string
}

async function signedIn(email: string): Promise<Visitor> {
  const visitor = createVisitor()
  await visitor.open(`${app.url}/sign-up`)
  await visitor.press('Create account', { name: 'Ada', email, password: PASSWORD })
  expect(visitor.text).toContain('Check your mail')
  await visitor.open(await mailed(email, '/verify-email'))
  await visitor.press('Confirm')
  expect(visitor.text).toContain('Your address is confirmed')
  await visitor.press('Sign in', { email, password: PASSWORD })
  expect(visitor.text).toContain('Hello, Ada')
  return visitor
}

test('the app is built without a variable and with its types checked, and every page that reads a session is dynamic', () => {
  expect(app.built).toMatch(/Finished TypeScript/)
  expect(app.built).not.toMatch(/error|warn/i)
  for (const page of ['/account', '/dashboard', '/billing/success', '/api/webhooks/stripe']) {
    expect(app.built).toContain(`ƒ ${page}\n`)
  }
  expect(app.built).toMatch(/○ \/\n/)
})

test('a customer without script signs up, buys the plan, gets its credits and signs out', async () => {
  const email = 'ada@example.com'
  const visitor = await signedIn(email)
  const { id } = await db.user.findUniqueOrThrow({ where: { email } })

  await visitor.press('Draw a picture')
  expect(visitor.text).toContain('Not enough credits.')
  await visitor.press('Upgrade to PRO')
  await visitor.press('Pay', { number: '4242 4242 4242 4242', expiry: '12 / 34', cvc: '123' })
  expect(visitor.url).toBe(`${app.url}/dashboard?done=subscribed`)
  expect(visitor.text).toContain('You are on PRO and have 1000 credits.')
  await visitor.press('Draw a picture')
  expect(visitor.text).toContain('You are on PRO and have 980 credits.')
  await webhooksAreProcessed(id)
  await visitor.open(`${app.url}/dashboard`)
  expect(visitor.text).toContain('You are on PRO and have 980 credits.')
  const ledger = await db.creditTransaction.findMany({ where: { ownerId: id } })
  expect(ledger.map(({ amount }) => Number(amount)).sort((a, b) => a - b)).toEqual([-20, 1000])

  await visitor.press('Sign out')
  expect(visitor.holds(SESSION) || visitor.holds(ACCESS)).toBe(false)
  expect(await db.session.count({ where: { userId: id } })).toBe(0)
  await visitor.open(`${app.url}/dashboard`)
  expect(visitor.url).toBe(`${app.url}/sign-in?next=%2Fdashboard`)
})

test('a customer continues with Google at the stand-in, and a cancel leads back to the sign-in page', async () => {
  const visitor = createVisitor()
  await visitor.open(`${app.url}/sign-in?next=/account`)
  await visitor.press('Continue with Google')
  expect(visitor.text).toContain('Choose an account')
  await visitor.press('Grace Hopper')
  expect(visitor.url).toBe(`${app.url}/account`)
  expect(visitor.holds(SESSION)).toBe(true)

  const other = createVisitor()
  await other.open(`${app.url}/sign-up`)
  await other.press('Continue with GitHub')
  await other.press('Cancel')
  expect(other.text).toContain('You cancelled, so nobody was signed in.')
  expect(other.holds(SESSION)).toBe(false)
})

test('a page with an expired access token is redirected to the renewal and comes back with its session', async () => {
  const visitor = await signedIn('renewed@example.com')
  visitor.drop(ACCESS)
  visitor.drop(RENEWED)
  await visitor.open(`${app.url}/account?from=mail`)
  expect(visitor.text).toContain('renewed@example.com')
  expect(visitor.url).toBe(`${app.url}/account?from=mail`)
  expect(visitor.holds(ACCESS)).toBe(true)

  // The proxy redirects to an absolute address, and only once.
  visitor.drop(ACCESS)
  visitor.drop(RENEWED)
  const headers = { ...NAVIGATION, cookie: visitor.cookie, 'sec-fetch-site': 'same-origin' }
  const away = await ask('/account', headers)
  expect(away.statusCode).toBe(303)
  expect(away.headers.location).toMatch(/\/api\/auth\/access\/renew\?next=%2Faccount$/)

  // A session that was ended elsewhere signs nobody in.
  await db.session.deleteMany({ where: { user: { email: 'renewed@example.com' } } })
  await visitor.open(`${app.url}/account`)
  expect(visitor.url).toBe(`${app.url}/sign-in?next=%2Faccount`)
})

test('a page that is reached from another site is redirected to itself, and then has its strict cookies', async () => {
  const hop = await ask('/dashboard?a=1', { ...NAVIGATION, 'sec-fetch-site': 'cross-site' })
  expect(hop.statusCode).toBe(200)
  expect(hop.body).toContain('content="0;url=/dashboard?a=1"')
})

test('an action sets cookies with all their attributes', async () => {
  const visitor = await signedIn('cookies@example.com')
  for (const name of [SESSION, ACCESS]) {
    expect(visitor.setCookies.find((line) => line.startsWith(`${name}=`))).toMatch(
      /^[^;]+; Path=\/; (Expires=[^;]+; )?Max-Age=\d+; HttpOnly; SameSite=strict$/i,
    )
  }
})

test('an action has the rate limit of its endpoint, and shows the refusal', async () => {
  const visitor = createVisitor()
  await visitor.open(`${app.url}/sign-in?next=/account`)
  for (let tries = 0; tries < 5; tries += 1) {
    await visitor.press('Sign in', { email: 'nobody@example.com', password: 'not this one' })
    expect(visitor.text).toContain('The address or the password is wrong, or')
  }
  await visitor.press('Sign in', { email: 'nobody@example.com', password: 'not this one' })
  expect(visitor.text).toContain('That was too often.')
  expect(new URL(visitor.url).searchParams.get('next')).toBe('/account')
})

test('an action that another site starts changes nothing', async () => {
  const visitor = await signedIn('origin@example.com')
  await visitor.open(`${app.url}/dashboard`)
  const field = /name="(\$ACTION_ID_[0-9a-f]+)"/.exec(
    visitor.html.slice(visitor.html.lastIndexOf('<form')),
  )?.[1] as string
  const body = new FormData()
  body.set(field, '')
  for (const forwarded of [{}, { 'x-forwarded-host': 'evil.example' }]) {
    const answer = await fetch(`${app.url}/dashboard`, {
      method: 'POST',
      body,
      redirect: 'manual',
      headers: { cookie: visitor.cookie, origin: 'https://evil.example', ...forwarded },
    })
    expect(answer.headers.getSetCookie()).toEqual([])
  }
  const where = { user: { email: 'origin@example.com' } }
  expect(await db.session.count({ where })).toBe(1)
  await visitor.press('Sign out')
  expect(await db.session.count({ where })).toBe(0)
})

test('a webhook without its signature is refused by the route', async () => {
  const answer = await fetch(`${app.url}/api/webhooks/stripe`, { method: 'POST', body: '{}' })
  expect(answer.status).toBe(400)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
})

test.skipIf(!browser)('in a browser: the same, and pages that do not load anew', async () => {
  const context: BrowserContext = await (browser as Browser).newContext()
  context.setDefaultTimeout(0)
  const page: Page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  const email = 'grace@example.com'

  await page.goto(`${app.url}/`)
  await page.getByRole('link', { name: 'Sign up' }).click()
  await page.getByLabel('Name').fill('Grace')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await page.goto(await mailed(email, '/verify-email'))
  await page.getByRole('button', { name: 'Confirm' }).click()
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Hello, Grace' }).waitFor()

  await page.getByRole('button', { name: 'Upgrade to PRO' }).click()
  await page.getByLabel('Card number').fill('4242 4242 4242 4242')
  await page.getByLabel('Expiry').fill('12 / 34')
  await page.getByLabel('CVC').fill('123')
  await page.getByRole('button', { name: /^Pay/ }).click()
  await page.getByText('You are on PRO and have 1000 credits.').waitFor()
  await page.getByRole('button', { name: /^Draw a picture/ }).click()
  await page.getByText('You are on PRO and have 980 credits.').waitFor()
  const { id } = await db.user.findUniqueOrThrow({ where: { email } })
  await webhooksAreProcessed(id)

  // The access token has expired: a link within the app reads the session's row, and a page that loads is renewed.
  const names = async () => (await context.cookies(app.url)).map(({ name }) => name)
  await context.clearCookies({ name: ACCESS })
  await page.getByRole('link', { name: 'Account' }).click()
  await page.getByText(email).waitFor()
  await context.clearCookies({ name: RENEWED })
  await page.goto(`${app.url}/dashboard`)
  await page.getByRole('heading', { name: 'Hello, Grace' }).waitFor()
  expect(await names()).toContain(ACCESS)

  // After an action without a redirect the page is rendered with the cookies that the action has set.
  await page.getByRole('link', { name: 'Account' }).click()
  await page.getByLabel('Current password').fill('not this one')
  await page.getByLabel('New password').fill('another long password')
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('That is not your password.').waitFor()
  await page.getByLabel('Current password').fill(PASSWORD)
  await page.getByLabel('New password').fill('another long password')
  await page.getByRole('button', { name: 'Change password' }).click()
  await page.getByText('Your password is changed.').waitFor()
  expect(new URL(page.url()).pathname).toBe('/account')
  await page.getByText(email).waitFor()

  await page.getByRole('link', { name: 'Dashboard' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in' }).waitFor()
  expect(await names()).not.toContain(SESSION)
  await page.goto(`${app.url}/dashboard`)
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  expect(errors).toEqual([])
  await context.close()
})

test('passwords are hashed in threads of their own, and no unexpected error was logged', () => {
  const printed = app.printed()
  expect(printed).toContain('webhook processed')
  expect(printed).not.toContain('Passwords are hashed on the threads of other work')
  const failures = printed.split('\n').filter((line) => /"level":"error"|⨯/.test(line))
  // Expected errors: other tests send an action from another site, and on a slow machine a stand-in retries a delivery.
  const expected = /Invalid Server Actions request|"msg":"webhook failed".*ECONNRESET/
  expect(failures.filter((line) => !expected.test(line))).toEqual([])
})
