/**
 * `tollgate dev` beside a small host of its own, on Node's HTTP server and without a framework: a visitor signs in with
 * Google, buys a plan and gets a mail, with no account, no variable and no other command.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, removePostgres } from '@repo/db/testing'
import { expect, onTestFinished, test } from 'vitest'
import { dev } from '../../../sandbox/src/__tests__/local-host.ts'
import { createVisitor } from '../visitor.ts'

/** Git and the checks leave this folder alone, and it has the packages above it. */
const FOLDER = fileURLToPath(new URL('../../node_modules/', import.meta.url))

const FILES = {
  'package.json': JSON.stringify({
    type: 'module',
    scripts: { dev: 'exec node --conditions=source --import tsx server.ts' },
  }),
  'tollgate.config.ts': `
    import { createAuth } from '@repo/auth'
    import { createBilling } from '@repo/billing'
    import { lazy } from '@repo/core'
    import { defineConfig } from '@repo/core/config'
    export const billing = lazy(() => createBilling({ products: {} }))
    export const auth = lazy(() =>
      createAuth({ events: { userCreated: ({ id }) => billing.ensureCustomer(id) } }),
    )
    export default defineConfig({ auth, billing })
  `,
  'server.ts': `
    import { createServer } from 'node:http'
    import { sameSiteRedirect, toNodeHandler } from '@repo/auth'
    import { toResponse } from '@repo/core'
    import { auth, billing } from './tollgate.config.ts'
    const page = (html: string) => new Response(html, { headers: { 'content-type': 'text/html' } })
    async function answer(req: Request): Promise<Response> {
      const { pathname, searchParams } = new URL(req.url)
      if (pathname.startsWith('/api/auth/')) return auth.handler(req)
      if (pathname === '/api/webhooks/stripe') return billing.handleStripeWebhook(req)
      if (pathname === '/in') {
        return auth.formAction(req, { path: '/sign-in/social', success: '/me', failure: '/' })
      }
      if (pathname === '/') {
        return page('<form method="post" action="/in"><input type="hidden" name="provider" value="google"><button type="submit">Continue with Google</button></form>')
      }
      const again = sameSiteRedirect(req)
      if (again) return again
      const { userId } = await auth.requireAuth(req)
      if (pathname === '/buy') {
        const { url } = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
        return new Response(null, { status: 303, headers: { location: url } })
      }
      if (pathname === '/billing/success') {
        await billing.confirmCheckout(userId, searchParams.get('session_id') ?? '')
      }
      const [user, { plan }] = await Promise.all([auth.getUser(req), billing.getSubscription(userId)])
      return page(\`<p>\${user?.email} has \${plan}</p><form method="post" action="/buy"><button type="submit">Buy</button></form>\`)
    }
    const handle = (req: Request) => answer(req).catch(toResponse)
    const baseURL = process.env.APP_URL ?? ''
    createServer(toNodeHandler(handle, { baseURL })).listen(process.env.PORT, () => console.log('listening'))
  `,
}

test('a visitor signs in with Google, buys a plan and gets its mail from the worker', async () => {
  const folder = await mkdtemp(join(FOLDER, '.host-'))
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text)
  const [port, sandboxPort] = [await freePort(), await freePort()]
  const flags = ['--into', folder, '--port', `${port}`, '--sandbox-port', `${sandboxPort}`]
  const started = dev(flags)
  onTestFinished(async () => {
    started.signal('SIGTERM')
    await started.exited
    removePostgres(join(folder, '.tollgate/postgres'))
    await rm(folder, { recursive: true, force: true })
  })
  await started.says(/^app {6}listening$/m)
  await started.says(/^worker {3}The worker runs the jobs/m)
  expect(started.printed()).toMatch(/^plans {4}.*pro_monthly/m)

  const visitor = createVisitor()
  await visitor.open(`http://localhost:${port}/`)
  await visitor.press('Continue with Google')
  await visitor.press('Grace Hopper')
  expect(visitor.text).toContain('grace@acme.example has FREE')
  await visitor.press('Buy')
  await visitor.press('Pay', { number: '4242 4242 4242 4242', expiry: '12 / 34', cvc: '123' })
  expect(visitor.text).toContain('grace@acme.example has PRO')
  const mails = async () => {
    const to = encodeURIComponent('grace@acme.example')
    const answer = await fetch(`http://127.0.0.1:${sandboxPort}/mailbox/api/messages?to=${to}`)
    return ((await answer.json()) as { messages: { subject: string }[] }).messages.length
  }
  await expect.poll(mails).toBeGreaterThan(0)
  await expect.poll(() => started.printed()).toContain('webhook processed')

  started.signal('SIGINT')
  expect(await started.exited).toBe(0)
  expect(started.printed()).not.toContain('"level":"error"')
})
