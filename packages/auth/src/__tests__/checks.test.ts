/** `tollgate doctor`'s checks of auth: each fault is found, and all is well where there is none. */

import { randomBytes } from 'node:crypto'
import type { CheckResult, CheckRun } from '@repo/core/checks'
import { openRehearsal } from '@repo/db'
import { afterEach, expect, test } from 'vitest'
import { stateChecks } from '../checks/oauth-state.ts'
import { hashCheck, secretCheck, weaknessOf } from '../checks/secrets.ts'
import { signInChecks } from '../checks/sign-in.ts'
import { type Auth, type AuthOptions, createAuth } from '../index.ts'
import { createPasswords } from '../sign-in/password.ts'
import { createTestAuth, TEST_ORIGIN } from '../testing.ts'
import { CLIENT } from './github.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const RUN: CheckRun = { isLive: false, mayRehearse: false }
const SECRET = randomBytes(32).toString('base64')

/** The results of the instance's own checks, by id. */
async function results(
  options: Partial<AuthOptions> = {},
  run: CheckRun = RUN,
): Promise<{ found: Record<string, CheckResult>; actsOn: readonly string[] }> {
  const auth = createTestAuth({ db: setup.db, secret: SECRET, ...options })
  const { checks, actsOn, close } = await auth.checks(run)
  const found: Record<string, CheckResult> = {}
  for (const { id, run } of checks) {
    if (id.startsWith('auth.')) found[id] = await run()
  }
  await close?.()
  await auth.close()
  return { found, actsOn }
}

/** The number of rows of every table. */
async function rows(): Promise<Record<string, number>> {
  const tables = await setup.db.$queryRaw<{ name: string; rows: number }[]>`
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name,
      (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', schemaname, tablename),
        false, true, '')))[1]::text::int AS rows
    FROM pg_tables WHERE schemaname IN ('public', 'graphile_worker')`
  return Object.fromEntries(tables.map(({ name, rows }) => [name, rows]))
}

test('all is well with 12 rounds, a random secret and a provider, and no row remains', async () => {
  const before = await rows()
  expect(Object.keys(before).length).toBeGreaterThan(40)
  const { found, actsOn } = await results({
    bcryptRounds: 12,
    rateLimit: true,
    trustedProxies: ['10.0.0.0/8'],
    baseURL: 'https://app.example.com',
    github: CLIENT,
    google: CLIENT,
    microsoft: CLIENT,
    oidc: { acme: { issuer: 'https://id.acme.example', clientId: 'id', clientSecret: 'secret' } },
  })
  expect(found).toEqual(
    Object.fromEntries(
      ['secrets', 'bcrypt', 'cookies', 'rotation', 'token', 'state', 'url', 'limits'].map((id) => [
        `auth.${id}`,
        { state: 'ok', says: expect.any(String), advice: null },
      ]),
    ),
  )
  expect(found['auth.bcrypt']?.says).toContain('12 rounds')
  expect(found['auth.cookies']?.says).toContain('HttpOnly, SameSite=Strict, Path=/, Secure')
  expect(found['auth.state']?.says).toContain('github, google, microsoft, acme')
  expect(actsOn[0]).toMatch(/^database .*\/.*, in a transaction that is rolled back$/)
  expect(await rows()).toEqual(before)
})

test('rounds below 12 are found in a real hash', async () => {
  // createTestAuth hashes with 4 rounds.
  const { found } = await results()
  expect(found['auth.bcrypt']).toMatchObject({
    state: 'failed',
    says: 'A new password hash has 4 rounds of bcrypt, and 12 are the fewest.',
  })
  const scrypt = await hashCheck({ hash: async () => 'a1b2:00ff' }).run()
  expect(scrypt).toMatchObject({ state: 'failed', says: 'A new password hash is not of bcrypt.' })
})

test.each([
  ['only-for-this-machine-32-characters', 'is a text of an example'],
  ['change-me-change-me-change-me-change-me', 'is a text of an example'],
  ['abcabcabcabcabcabcabcabcabcabcabcabc', 'has few different characters'],
  ['11111111111111112222222222222222', 'has few different characters'],
])('the weak secret %s is found', async (secret, weakness) => {
  expect(weaknessOf(secret)).toBe(weakness)
  const { found } = await results({ secret })
  expect(found['auth.secrets']).toMatchObject({
    state: 'failed',
    says: `BETTER_AUTH_SECRET ${weakness}.`,
    advice: expect.stringContaining('openssl rand'),
  })
})

test('no secret that openssl makes is called weak', () => {
  for (let n = 0; n < 2_000; n += 1) {
    for (const encoding of ['base64', 'hex', 'base64url'] as const)
      expect(weaknessOf(randomBytes(32).toString(encoding))).toBe(null)
  }
})

test('an example’s secret is tolerated on this machine, and not before production', async () => {
  const options = {
    baseURL: 'http://localhost:3000',
    secret: 'only-for-this-machine-32-characters',
  }
  const { found } = await results(options)
  expect(found['auth.secrets']).toMatchObject({ state: 'skipped' })
  expect(found['auth.cookies']).toMatchObject({
    state: 'ok',
    says: expect.stringContaining('Secure is left out'),
  })
  expect(found['auth.url']).toMatchObject({ state: 'skipped' })
  const live = await results(options, { isLive: true, mayRehearse: true })
  for (const id of ['secrets', 'url', 'limits'])
    expect(live.found[`auth.${id}`]).toMatchObject({ state: 'failed' })
  for (const id of ['cookies', 'rotation', 'token'])
    expect(live.found[`auth.${id}`]).toMatchObject({
      state: 'skipped',
      says: expect.stringContaining('the dry run before production writes nothing'),
    })
  expect(live.actsOn[0]).toMatch(/, read only$/)
})

test('a secret that serves as the pepper, too, is found', () => {
  const options = { secret: SECRET, passwordPeppers: [SECRET], baseURL: TEST_ORIGIN }
  const { run } = secretCheck(RUN, { options } as never)
  expect(run()).toMatchObject({ state: 'failed', says: 'Two of the secrets are the same.' })
})

test('sign-ins without a limit and a host without TLS are found', async () => {
  const { found } = await results({ rateLimit: false, baseURL: 'http://app.example.com' })
  expect(found['auth.limits']).toMatchObject({ state: 'failed' })
  expect(found['auth.url']).toMatchObject({
    state: 'failed',
    says: 'The host is at http://app.example.com, which is without TLS.',
  })
})

test('a list of headers or proxies that is empty names no proxy', async () => {
  const run = { isLive: true, mayRehearse: false }
  for (const options of [{ ipAddressHeaders: [] }, { trustedProxies: [] }]) {
    const { found } = await results({ ...options, rateLimit: true }, run)
    expect(found['auth.limits']).toMatchObject({
      state: 'failed',
      says: expect.stringContaining('a caller can invent'),
    })
  }
})

/** The checks of a sign-in at a handler whose answers, or whose sessions, are changed on the way. */
async function spoiled(change: {
  line?: (line: string, sent: string) => string
  session?: Auth['getSession']
  told?: (email: string) => void
}): Promise<Record<string, CheckResult>> {
  const rehearsal = openRehearsal(setup.url)
  const auth = createTestAuth({ db: rehearsal.db, baseURL: 'https://app.example.com' })
  const { hash } = createPasswords({ bcryptRounds: 12 })
  const checks = signInChecks(async () => ({
    db: rehearsal.db,
    baseURL: auth.baseURL,
    hash,
    auth: {
      getSession: change.session ?? auth.getSession,
      handler: Object.assign(
        async (req: Request) => {
          const sent = req.headers.get('cookie') ?? ''
          change.told?.(((await req.clone().json()) as { email: string }).email)
          const answer = await auth.handler(req)
          const headers = new Headers(answer.headers)
          headers.delete('set-cookie')
          for (const line of answer.headers.getSetCookie())
            headers.append('set-cookie', change.line?.(line, sent) ?? line)
          return new Response(answer.body, { status: answer.status, headers })
        },
        { baseURL: auth.baseURL },
      ),
    },
  }))
  const found: Record<string, CheckResult> = {}
  for (const { id, run } of checks) found[id] = await run()
  await auth.settled()
  await auth.close()
  await rehearsal.close()
  return found
}

test.each([
  ['Secure', 'without Secure'],
  ['HttpOnly', 'without HttpOnly'],
  ['SameSite=Strict', 'with SameSite=Lax'],
])('a cookie lacking %s is found', async (flag) => {
  const pattern = new RegExp(`; ?${flag}`, 'i')
  const found = await spoiled({
    line: (line) => line.replace(pattern, flag.startsWith('Same') ? '; SameSite=Lax' : ''),
  })
  expect(found['auth.cookies']).toMatchObject({
    state: 'failed',
    says: expect.stringContaining(`__Host-tollgate.session_token lacks ${flag}`),
  })
  expect(found['auth.rotation']).toMatchObject({ state: 'ok' })
})

test('a cookie for all hosts of a domain is found', async () => {
  const found = await spoiled({ line: (line) => `${line}; Domain=example.com` })
  expect(found['auth.cookies']).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('is sent to other hosts (Domain)'),
  })
})

test('a session that survives a sign-in, and one that somebody planted, are found', async () => {
  const old = (sent: string) => /__Host-tollgate\.session_token=([^;]*)/.exec(sent)?.[1]
  const kept = await spoiled({
    line: (line, sent) => {
      const value = old(sent)
      return value ? line.replace(/^(__Host-tollgate\.session_token)=[^;]*/, `$1=${value}`) : line
    },
  })
  expect(kept['auth.rotation']).toMatchObject({
    state: 'failed',
    says: 'A second sign-in kept the session of the first one.',
  })
  const session = { userId: 'somebody' } as never
  const planted = await spoiled({ session: async () => session })
  expect(planted['auth.rotation']).toMatchObject({
    state: 'failed',
    says: 'A session that was planted before the sign-in was taken over.',
  })
})

test('personal data in the access token is found, by its claim and by its value', async () => {
  const withClaims = (more: object) => (line: string) =>
    line.replace(/^(__Host-tollgate\.access_token)=([^;]*)/, (_, name: string, token: string) => {
      const [head, payload = '', signature] = token.split('.')
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
      const all = JSON.stringify({ ...claims, ...more })
      return `${name}=${head}.${Buffer.from(all).toString('base64url')}.${signature}`
    })
  const named = await spoiled({
    line: withClaims({ email: 'ada@example.com' }),
    session: async (req) =>
      req.headers.get('cookie')?.includes('access_token') ? ({} as never) : null,
  })
  expect(named['auth.token']).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/and has email\.$/),
  })
  // A claim of another name that holds the address, as a plugin may add it.
  let email = ''
  const valued = await spoiled({
    line: (line) => withClaims({ login: email })(line),
    told: (sent) => {
      email = sent
    },
  })
  expect(valued['auth.token']).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('has the name or the address of its user.'),
  })
  const long = await spoiled({ line: withClaims({ exp: 9_999_999_999 }) })
  expect(long['auth.token']).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/lives for \d+ s\.$/),
  })
  const issued = await spoiled({ line: withClaims({ iss: undefined }) })
  expect(issued['auth.token']).toMatchObject({
    state: 'failed',
    says: 'The access token lacks iss.',
  })
})

test('a return with a wrong state that is accepted is found, whether it signs in or asks for a token', async () => {
  const baseURL = 'https://app.example.com'
  const handlerOf = (callback: () => Response) =>
    Object.assign(
      async (req: Request) =>
        new URL(req.url).pathname.endsWith('/sign-in/social')
          ? Response.json({ url: 'https://github.example/authorize?state=right' })
          : callback(),
      { baseURL },
    )
  let tokens = 0
  const check = async (callback: () => Response, isReadOnly: boolean) => {
    const [state] = stateChecks({ github: CLIENT } as never, async () => ({
      auth: { handler: handlerOf(callback) },
      standIn: { tokens: () => tokens },
      baseURL,
      isReadOnly,
    }))
    return state?.run()
  }
  const signsIn = () =>
    new Response(null, {
      status: 302,
      headers: { 'set-cookie': '__Host-tollgate.session_token=value; Path=/' },
    })
  const asks = () => {
    tokens += 1
    return new Response(null, { status: 302 })
  }
  for (const isReadOnly of [false, true]) {
    for (const callback of [signsIn, asks]) {
      expect(await check(callback, isReadOnly)).toMatchObject({
        state: 'failed',
        says: 'The return from github was accepted with a wrong state.',
      })
    }
    expect(await check(() => new Response(null, { status: 302 }), isReadOnly)).toMatchObject({
      state: 'ok',
    })
  }
})

const { NODE_ENV } = process.env
afterEach(async () => {
  process.env.NODE_ENV = NODE_ENV
  await setup.db.stripeAccount.deleteMany()
})

test.each([
  [
    'NODE_ENV is production',
    async () => void Object.assign(process.env, { NODE_ENV: 'production' }),
  ],
  [
    'the database holds customers who pay real money',
    async () =>
      void (await setup.db.stripeAccount.create({
        data: { environment: 'app.example.com', livemode: true },
      })),
  ],
])(
  'nothing is written where %s, whatever is allowed, and the state is checked still',
  async (why, set) => {
    await set()
    const before = await rows()
    const { found, actsOn } = await results(
      { github: CLIENT, baseURL: 'https://app.example.com', trustedProxies: ['10.0.0.0/8'] },
      { isLive: false, mayRehearse: true },
    )
    expect(found['auth.cookies']).toMatchObject({
      state: 'skipped',
      says: `A sign-in was not tried, because ${why}.`,
    })
    expect(found['auth.state']).toMatchObject({
      state: 'ok',
      says: 'The return from github with an unknown state was refused.',
    })
    expect(actsOn[0]).toMatch(/, read only$/)
    expect(await rows()).toEqual(before)
  },
)

test('a client that createDb did not make, and a database that does not answer, are said to be so', async () => {
  const host = { $queryRaw: async () => Promise.reject(new Error('down')) }
  const auth = createAuth({
    db: host as never,
    baseURL: TEST_ORIGIN,
    secret: SECRET,
    github: CLIENT,
  })
  const { checks, actsOn } = await auth.checks(RUN)
  expect(actsOn).toEqual(['a database of the host, read only'])
  const cookies = checks.find(({ id }) => id === 'auth.cookies')
  expect(await cookies?.run()).toMatchObject({ state: 'skipped' })
  const state = checks.find(({ id }) => id === 'auth.state')
  expect(await state?.run()).toMatchObject({ state: 'skipped' })
})
