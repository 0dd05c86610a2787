/**
 * Ten thousand requests at random, or `FUZZ_REQUESTS` of them: none is answered with an error of ours, none leaves a
 * promise that nobody waits for, and nobody becomes what they are not. `FUZZ_SEED` makes the same requests again,
 * `FUZZ_FROM` begins with a later one of them.
 */

import type { Logger } from '@repo/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { createDevice } from './device.ts'
import { type Material, makeRequest } from './fuzz.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { CALLBACK, createPrograms, RESOURCE } from './programs.ts'
import { setUpAuth } from './setup.ts'
import { shapesOf } from './shapes.ts'

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 10_000)
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const FROM = Number(process.env.FUZZ_FROM ?? 0)
const AT_ONCE = 8
const SLOW_MS = 10_000

const setup = setUpAuth()
/** What failed on our side, the first of many. Better Auth logs mistakes of callers as errors, too. */
const errors: string[] = []
const OURS = /a request to auth failed|background|audit|job failed/
const logger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error(fields, message) {
    if (errors.length < 20 && OURS.test(message ?? ''))
      errors.push(`${message} ${JSON.stringify(fields).slice(0, 500)}`)
  },
}
const rejections: string[] = []
const onRejection = (reason: unknown) => rejections.push(String(reason))

let issuer: Issuer
let auth: TestAuth
/** The same people and rows, with limits. */
let limited: TestAuth
let material: Material
const people: Record<string, { email: string }> = {}

beforeAll(async () => {
  process.on('unhandledRejection', onRejection)
  issuer = await startIssuer({ redirectUri: `${TEST_ORIGIN}/api/auth/callback/acme` })
  const options = {
    db: setup.db,
    logger,
    twoFactor: true,
    oauth: { scopes: ['bookings:read'] },
    oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } },
    github: { clientId: 'x', clientSecret: 'y', endpoint: 'http://127.0.0.1:9' },
  }
  auth = createTestAuth(options)
  limited = createTestAuth({ ...options, rateLimit: true })
  material = await createMaterial()
})
afterAll(async () => {
  process.off('unhandledRejection', onRejection)
  await auth.settled()
  await auth.close()
  await limited.close()
  await issuer.close()
})

async function createMaterial(): Promise<Material> {
  const { db } = setup
  for (const name of ['user', 'owner', 'admin'])
    people[name] = await auth.signIn(`${name}@example.com`)
  await db.user.update({ where: { email: 'admin@example.com' }, data: { role: 'ADMIN' } })
  const cookies = { nobody: '', ...(await signedIn()) }
  const made = await auth.post('/organization/create', { name: 'Acme' }, { cookie: cookies.owner })
  const { id: organizationId, slug, members } = (await made.json()) as Made
  const invited = await auth.post(
    '/organization/invite-member',
    { email: 'user@example.com', role: 'VIEWER', organizationId },
    { cookie: cookies.owner },
  )
  const { id: invitationId } = (await invited.json()) as { id: string }
  await createDevice(auth).register(cookies.user)
  const programs = createPrograms(() => ({ auth, admin: cookies.admin }))
  const service = await programs.make({ name: 'S', scopes: ['bookings:read'] })
  const web = await programs.make({
    name: 'W',
    scopes: ['bookings:read'],
    redirectUris: [CALLBACK],
  })
  const passkeys = await db.passkey.findMany()
  const sessions = await db.session.findMany()
  const users = await db.user.findMany()
  return {
    shapes: shapesOf(auth, 'acme'),
    cookies,
    known: {
      email: [...users.map(({ email }) => email), 'new@example.com'],
      password: [TEST_PASSWORD],
      currentPassword: ['wrong wrong wrong'],
      provider: ['github', 'acme'],
      organizationId: [organizationId],
      organizationSlug: [slug],
      slug: [slug, 'beta'],
      memberId: members.map(({ id }) => id),
      memberIdOrEmail: [...members.map(({ id }) => id), 'user@example.com'],
      invitationId: [invitationId],
      userId: users.map(({ id }) => id),
      id: [...passkeys.map(({ id }) => id), invitationId],
      token: sessions.map(({ token }) => token),
      role: ['VIEWER', 'OWNER', ['ADMIN'], 'ADMIN,OWNER'],
      client_id: [service.clientId, web.clientId],
      client_secret: [service.clientSecret],
      grant_type: ['client_credentials', 'authorization_code', 'refresh_token'],
      response_type: ['code'],
      redirect_uri: [CALLBACK],
      scope: ['openid bookings:read offline_access'],
      resource: [RESOURCE],
      code_challenge_method: ['S256'],
      code_challenge: ['E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'],
      callbackURL: ['/', '/dashboard'],
      next: ['/a'],
      code: ['123456'],
    },
  }
}
interface Made {
  id: string
  slug: string
  members: { id: string }[]
}

/** Everybody's cookies; requests may have ended the sessions from before. */
async function signedIn() {
  const all: Record<string, string> = {}
  for (const [name, { email }] of Object.entries(people)) {
    const answer = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
    all[name] = cookiesOf(answer)
  }
  return all as { user: string; owner: string; admin: string }
}

interface Result {
  statuses: Map<number, number>
  failures: string[]
  skipped: number
  slowest: { ms: number; title: string }
}

async function run(from: number, to: number, result: Result): Promise<void> {
  for (let number = from; number < to; number += 1) {
    const made = makeRequest(SEED, number, material)
    if (!made) {
      result.skipped += 1
      continue
    }
    const started = performance.now()
    const { status } = await (number % 4 === 0 ? limited : auth).handler(made.request)
    const ms = performance.now() - started
    result.statuses.set(status, (result.statuses.get(status) ?? 0) + 1)
    if (status >= 500) {
      result.failures.push(`${status} #${number} ${made.title}`)
      console.log(result.failures.at(-1), errors.at(-1))
    }
    if (ms > result.slowest.ms) result.slowest = { ms, title: `#${number} ${made.title}` }
  }
}

/** What was sent so far is worked off and forgotten, and who was signed out comes in again. */
async function tidy(): Promise<void> {
  await auth.settled()
  auth.outbox.clear()
  const present = await auth.getSession(
    auth.request('/', { cookie: material.cookies.owner ?? '' }),
    { fresh: true },
  )
  if (!present) Object.assign(material.cookies, await signedIn())
}

test(`${REQUESTS} requests of seed ${SEED} are answered, none with a 500`, {
  timeout: 0,
}, async () => {
  const result: Result = {
    statuses: new Map(),
    failures: [],
    skipped: 0,
    slowest: { ms: 0, title: '' },
  }
  const started = performance.now()
  const batch = 1_000
  for (let from = FROM; from < REQUESTS; from += batch) {
    const size = Math.ceil(Math.min(batch, REQUESTS - from) / AT_ONCE)
    const parts = Array.from({ length: AT_ONCE }, (_, n) => {
      const first = from + n * size
      return run(first, Math.min(first + size, from + batch, REQUESTS), result)
    })
    await Promise.all(parts)
    await tidy()
    if (REQUESTS > 10_000 && (from / batch) % 10 === 9) report(result, from + batch, started)
  }
  report(result, REQUESTS, started)

  expect({ seed: SEED, failures: result.failures.slice(0, 20), errors }).toEqual({
    seed: SEED,
    failures: [],
    errors: [],
  })
  expect(rejections).toEqual([])
  expect(result.slowest.ms, result.slowest.title).toBeLessThan(SLOW_MS)
  expect(result.skipped).toBeLessThan(REQUESTS / 5)
  // They are not all turned away at the door.
  expect(result.statuses.get(200) ?? 0).toBeGreaterThan(REQUESTS / 100)
})

function report({ statuses, failures, skipped, slowest }: Result, done: number, started: number) {
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const counts = [...statuses]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${status}: ${count}`)
  console.log(
    `seed ${SEED}, ${done} requests in ${seconds} s, ${failures.length} × 5xx, ${rejections.length} unhandled, ${skipped} impossible, slowest ${slowest.ms.toFixed(0)} ms; ${counts.join(', ')}`,
  )
}

test('afterwards nobody has gained a role, a proven address or a higher session', async () => {
  const { db } = setup
  expect(await db.user.findMany({ where: { role: 'ADMIN' }, select: { email: true } })).toEqual([
    { email: 'admin@example.com' },
  ])
  const proven = await db.user.findMany({ where: { emailVerified: true }, select: { email: true } })
  expect(proven.map(({ email }) => email).sort()).toEqual(
    Object.values(people)
      .map(({ email }) => email)
      .sort(),
  )
  expect(await db.session.count({ where: { aal: { gt: 1 } } })).toBe(0)
  expect(await db.user.count({ where: { image: { not: { startsWith: 'https://' } } } })).toBe(0)
})
