/**
 * Ways in with a real Chromium and Better Auth's own browser client: a provider on another site, with strict cookies on
 * ours; a passkey of a virtual authenticator; and the second factor.
 */

import { fileURLToPath } from 'node:url'
import { type HttpBindings, serve } from '@hono/node-server'
import { sameSiteRedirect } from '@repo/auth'
import type { createAuthClient } from '@repo/auth/client'
import { createTestAuth, type TestAuth } from '@repo/auth/testing'
import { createTestDatabase, freePort, type TestDatabase } from '@repo/db/testing'
import { build } from 'esbuild'
import { Hono } from 'hono'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Issuer, OIDC_CLIENT, startIssuer } from '../../../auth/src/__tests__/issuer.ts'
import { launchChromium } from './chromium.ts'

type Client = ReturnType<typeof createAuthClient>
declare const window: { client: Client }

const browser: Browser | null = await launchChromium()
if (!browser) process.stderr.write('\nSKIPPED: no Chromium on this machine; set CHROMIUM_PATH.\n')

const PORT = await freePort()
const ORIGIN = `http://localhost:${PORT}`
const PASSWORD = 'correct horse battery'

let database: TestDatabase
let issuer: Issuer
let auth: TestAuth
let server: ReturnType<typeof serve>
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  issuer = await startIssuer({ redirectUri: `${ORIGIN}/api/auth/callback/acme`, asks: true })
  auth = createTestAuth({
    db: database.db,
    baseURL: ORIGIN,
    twoFactor: true,
    oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } },
  })
  const script = await clientScript()
  const host = new Hono<{ Bindings: HttpBindings }>()
  host.all('/api/auth/*', (c) => auth.handler(c.req.raw))
  host.get('/client.js', (c) => c.body(script, 200, { 'content-type': 'text/javascript' }))
  host.get('*', async (c) => {
    const redirect = sameSiteRedirect(c.req.raw)
    if (redirect) return redirect
    const user = await auth.getUser(c.req.raw)
    return c.html(`<!doctype html><p id="who">${user?.email ?? 'nobody'}</p>
      <script type="module" src="/client.js"></script>`)
  })
  server = serve({ fetch: host.fetch, port: PORT })
})
afterAll(async () => {
  await browser?.close()
  server?.close()
  await auth?.settled()
  await auth?.close()
  await issuer?.close()
  await database?.drop()
})

/** The browser's own client, as a host would bundle it. */
async function clientScript(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { createAuthClient } from '@repo/auth/client'; window.client = createAuthClient()`,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['source'],
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}

async function openHost(context: BrowserContext, path = '/'): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${ORIGIN}${path}`)
  await page.waitForFunction(() => 'client' in window)
  return page
}
const who = (page: Page) => page.locator('#who').textContent()

async function signUp(page: Page, email: string): Promise<void> {
  await page.evaluate(
    async ([email, password]) => {
      await window.client.signUp.email({ name: 'Ada', email, password })
    },
    [email, PASSWORD] as const,
  )
  await auth.settled()
  const token = tokenIn('WelcomeEmail')
  await page.evaluate(
    async ([token, email, password]) => {
      await window.client.$fetch('/confirm-email', { method: 'POST', body: { token } })
      await window.client.signIn.email({ email, password })
    },
    [token, email, PASSWORD] as const,
  )
}

const tokenIn = (template: string): string =>
  decodeURIComponent(/[?&]token=([^\s&]+)/.exec(auth.outbox.last(template).text)?.[1] ?? '')

test.skipIf(!browser)(
  'a provider on another site leads back signed in, although every cookie except the state is strict',
  async () => {
    const context = await (browser as Browser).newContext()
    const page = await openHost(context)
    issuer.profile = {
      sub: 'grace',
      email: 'grace@example.com',
      email_verified: true,
      name: 'Grace',
    }
    await page.evaluate(() => {
      void window.client.signIn.social({ provider: 'acme', callbackURL: '/dashboard' })
    })
    await page.waitForURL(/127\.0\.0\.1.*\/interaction\//)
    const begun = await context.cookies(ORIGIN)
    expect(begun.map(({ name, sameSite }) => [name, sameSite])).toEqual([
      [expect.stringMatching(/^tollgate\.state-/), 'Lax'],
    ])
    await page.getByRole('button', { name: 'Continue to the app' }).click()
    await page.waitForURL(`${ORIGIN}/dashboard`)
    expect(await who(page)).toBe('grace@example.com')
    for (const cookie of await context.cookies(ORIGIN)) {
      expect(cookie).toMatchObject({ httpOnly: true, secure: false, path: '/' })
      if (!cookie.name.endsWith('.state')) expect(cookie.sameSite).toBe('Strict')
    }
    await context.close()
  },
)

test.skipIf(!browser)(
  'a passkey is added, signs in without a name, and counts as two factors if the person was verified',
  async () => {
    const context = await (browser as Browser).newContext()
    const page = await openHost(context)
    const devtools = await context.newCDPSession(page)
    await devtools.send('WebAuthn.enable')
    const plugIn = async (checksThePerson: boolean) => {
      const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
        options: {
          protocol: 'ctap2',
          transport: 'internal',
          hasResidentKey: true,
          hasUserVerification: checksThePerson,
          isUserVerified: checksThePerson,
          automaticPresenceSimulation: true,
        },
      })
      return () => devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
    }
    const unplug = await plugIn(true)
    await signUp(page, 'key@example.com')
    const made = await page.evaluate(async () =>
      window.client.passkey.addPasskey({ name: 'Laptop' }),
    )
    expect(made?.error).toBeFalsy()
    const row = await database.db.passkey.findFirstOrThrow({ include: { user: true } })
    expect(row).toMatchObject({ name: 'Laptop', user: { email: 'key@example.com' } })

    const signIn = async () => {
      await page.evaluate(async () => window.client.signOut())
      const answer = await page.evaluate(async () => window.client.signIn.passkey())
      await page.goto(`${ORIGIN}/dashboard`)
      await page.waitForFunction(() => 'client' in window)
      return { error: answer?.error ?? null, who: await who(page) }
    }
    const acr = async () => {
      const cookies = await context.cookies(ORIGIN)
      const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
      return (await auth.requireAuth(new Request(ORIGIN, { headers: { cookie } }))).acr
    }
    expect(await signIn()).toEqual({ error: null, who: 'key@example.com' })
    expect(await acr()).toBe('aal2')

    await unplug()
    await plugIn(false)
    const another = await page.evaluate(async () => window.client.passkey.addPasskey())
    expect(another?.error).toBeFalsy()
    // Chromium uses such a key only if the account is known, as it is for a signed-in user.
    const touched = await page.evaluate(async () => window.client.signIn.passkey())
    expect(touched?.error).toBeFalsy()
    expect(await acr()).toBe('aal1')

    const [sent] = await Promise.all([
      page.waitForRequest(/verify-authentication/),
      page.evaluate(async () => window.client.signIn.passkey()),
    ])
    const replayed = await page.evaluate(
      async ([url, body]) => {
        const headers = { 'content-type': 'application/json' }
        return (await fetch(url, { method: 'POST', headers, body })).status
      },
      [sent.url(), sent.postData() ?? ''] as const,
    )
    expect(replayed).toBe(400)
    await context.close()
  },
)
