/**
 * Pages behind the edge guards in a real Chromium: the same-site redirect together with the renewal ends on the page
 * and not in a loop, from another site and from our own.
 */

import { serve } from '@hono/node-server'
import { createAuth } from '@repo/auth'
import { createEdge, sameSiteRedirect } from '@repo/auth/edge'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, freePort, type TestDatabase } from '@repo/db/testing'
import { createOutbox } from '@repo/email/testing'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { launchChromium } from './chromium.ts'

const browser: Browser | null = await launchChromium()
const ACCESS = 'tollgate.access_token'

let database: TestDatabase
let stop: () => Promise<void>
let url: string
let elsewhere: string
const asked: string[] = []
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  const port = await freePort()
  url = `http://localhost:${port}`
  const outbox = createOutbox()
  const auth = createAuth({
    db: database.db,
    baseURL: url,
    secret: 'a-secret-for-tests-of-32-characters',
    sender: outbox.sender,
    logger: createTestLogger(),
    rateLimit: false,
  })
  const edge = createEdge({ baseURL: url })
  const page = async (req: Request) => {
    asked.push(new URL(req.url).pathname)
    if (req.url.startsWith(`${url}/api/auth/`)) return auth.handler(req)
    const away = sameSiteRedirect(req) ?? (await edge.renew(req))
    if (away) return away
    const session = await edge.getSession(req)
    return new Response(session ? `Signed in as ${session.userId}` : 'Nobody')
  }
  const server = serve({ fetch: page, port })
  const link = () =>
    new Response(`<a href="${url}/page?x=1">Back</a>`, { headers: { 'content-type': 'text/html' } })
  const otherPort = await freePort()
  const other = serve({ fetch: link, port: otherPort, hostname: '127.0.0.1' })
  elsewhere = `http://127.0.0.1:${otherPort}/`
  const body = { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' }
  await auth.api.signUpEmail({ body })
  await auth.settled()
  await database.db.user.updateMany({ data: { emailVerified: true } })
  stop = async () => {
    await auth.settled()
    auth.close()
    for (const each of [server, other]) {
      await new Promise((done) => {
        each.close(done)
        if ('closeAllConnections' in each) each.closeAllConnections()
      })
    }
  }
})
afterAll(async () => {
  await browser?.close()
  await stop?.()
  await database?.drop()
})

test.skipIf(!browser)('hop and renewal lead to the page, and end there', async () => {
  const context = await (browser as Browser).newContext()
  const page = await context.newPage()
  await page.goto(`${url}/page`)
  expect(await page.textContent('body')).toBe('Nobody')
  const credentials = { email: 'ada@example.com', password: 'correct horse battery' }
  const status = await page.evaluate(
    async (body) =>
      (
        await fetch('/api/auth/sign-in/email', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      ).status,
    credentials,
  )
  expect(status).toBe(200)

  for (const from of ['our own site', 'another site']) {
    await context.clearCookies({ name: ACCESS })
    await context.clearCookies({ name: 'tollgate.renewed' })
    asked.length = 0
    if (from === 'another site') {
      await page.goto(elsewhere)
      await page.getByRole('link', { name: 'Back' }).click()
      await page.getByText('Signed in').waitFor()
    } else await page.goto(`${url}/page?x=1`)
    expect(await page.textContent('body')).toMatch(/^Signed in as /)
    expect(page.url()).toBe(`${url}/page?x=1`)
    const steps = asked.filter((path) => path === '/page' || path.endsWith('/renew'))
    expect(steps).toEqual([
      ...(from === 'another site' ? ['/page'] : []),
      '/page',
      '/api/auth/access/renew',
      '/page',
    ])
    expect((await context.cookies(url)).map(({ name }) => name)).toContain(ACCESS)
  }

  // A session that was ended elsewhere signs nobody in as soon as the access token is gone.
  await database.db.session.deleteMany()
  await context.clearCookies({ name: ACCESS })
  await context.clearCookies({ name: 'tollgate.renewed' })
  await page.goto(`${url}/page`)
  expect(await page.textContent('body')).toBe('Nobody')
})
