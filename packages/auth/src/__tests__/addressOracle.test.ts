/**
 * Nobody learns who is known here by two requests, one after the other or at once: whatever an anonymous caller
 * does first with an address, the next answer is the same for an account, for a sign-up that waits and for nobody.
 */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Endpoints, fieldsOf, withPath } from '../sign-in/password-fields.ts'
import { cookiesOf, createTestAuth, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { CLIENT, type GitHub, startGitHub } from './github.ts'
import { codeIn } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ twoFactor: true })
const logger = createTestLogger()
let auth: TestAuth
let github: GitHub
/** Of the password that accounts have, and sign-ups that wait. */
let hashOfOwners: string
beforeAll(async () => {
  const { userId } = await setup.auth.signIn()
  const { password } = await setup.db.account.findFirstOrThrow({ where: { userId } })
  hashOfOwners = password ?? ''
  github = await startGitHub()
  auth = createTestAuth({
    db: setup.db,
    logger,
    twoFactor: true,
    rateLimit: true,
    github: { ...CLIENT, endpoint: github.endpoint },
  })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await github.close()
})

const STRANGERS = 'the password of a stranger'
const KINDS = ['known', 'waiting', 'unknown'] as const
type Kind = (typeof KINDS)[number]

let made = 0
/** An address of each kind that no test has used. */
async function addressOf(kind: Kind): Promise<string> {
  made += 1
  const email = `${kind.slice(0, 4)}-${made}@example.com`
  if (kind === 'unknown') return email
  const { id } = await setup.db.user.create({
    data: { id: email, name: 'Ada', email, emailVerified: kind === 'known' },
  })
  const credential = { id, accountId: id, providerId: 'credential', userId: id }
  await setup.db.account.create({ data: { ...credential, password: hashOfOwners } })
  return email
}

/** A caller with a browser and an address of its own. */
function newCaller() {
  made += 1
  const headers = { 'x-forwarded-for': `198.51.${made >> 8}.${made & 255}` }
  let cookie = ''
  return async (path: string, body: object) => {
    const answer = await auth.post(path, body, { headers, cookie })
    cookie = cookiesOf(answer) || cookie
    return answer
  }
}

/** All of an answer that does not differ between two requests for the same address. */
async function seenOf(answer: Response): Promise<unknown> {
  const headers = [...answer.headers].map(([name, value]) => [
    name,
    name === 'set-cookie'
      ? value.replace(/=[^;]*/, '')
      : /length|date|reset/.test(name)
        ? ''
        : value,
  ])
  return [answer.status, headers.sort(), sameTextOf(await answer.text())]
}

/** Letter by letter, but for what differs between two answers about any address. */
const sameTextOf = (body: string): string =>
  body.replace(/"(id|email|createdAt|updatedAt)":"[^"\\]*"/g, '"$1":"…"')

/** Endpoints of the running handler that a caller without a session may send an address to. */
const addressed = async (): Promise<string[]> => {
  const paths = withPath((() => setup.auth.api) as unknown as Endpoints).flatMap(
    ({ path = '', options }) =>
      fieldsOf(options?.body).includes('email') && !options?.metadata?.SERVER_ONLY ? [path] : [],
  )
  const open: string[] = []
  for (const path of new Set(paths)) {
    const answer = await newCaller()(path, { email: 'nobody@example.com', role: 'VIEWER' })
    if ((await codeIn(answer)) !== 'not_authenticated') open.push(path)
  }
  return open.sort()
}

const bodyFor = (email: string, password: string) => ({ name: 'Eve', email, password })

describe('two requests of a stranger are answered alike', () => {
  test('the endpoints that take an address are exactly these', async () => {
    expect(await addressed()).toEqual([
      '/request-password-reset',
      '/send-verification-email',
      '/sign-in/email',
      '/sign-in/magic-link',
      '/sign-up/email',
    ])
  })

  test('any two of them in a row, with and without the mails in between', async () => {
    const paths = await addressed()
    for (const first of paths) {
      for (const second of paths) {
        for (const waits of [false, true]) {
          const seen = []
          for (const kind of KINDS) {
            const email = await addressOf(kind)
            const send = newCaller()
            const answers = []
            for (const path of [first, second]) {
              answers.push(await seenOf(await send(path, bodyFor(email, STRANGERS))))
              if (waits) await auth.settled()
            }
            seen.push(answers)
          }
          expect({ first, second, answers: seen[1] }).toEqual({ first, second, answers: seen[0] })
          expect({ first, second, answers: seen[2] }).toEqual({ first, second, answers: seen[0] })
        }
      }
    }
  })

  test.each(['/sign-up/email', '/sign-in/email'])('both to %s at once', async (path) => {
    const seen = []
    for (const kind of KINDS) {
      const email = await addressOf(kind)
      const answers = await Promise.all(
        [1, 2, 3, 4, 5].map(async () => seenOf(await newCaller()(path, bodyFor(email, STRANGERS)))),
      )
      seen.push(answers)
    }
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
  })

  test.each<[string, object]>([
    ['a picture that is none', { image: 'javascript:alert(1)' }],
    ['a long name', { name: 'x'.repeat(200) }],
    ['a name that is too long', { name: 'x'.repeat(3_000) }],
    ['half a letter at the end of the name', { name: 'x\ud800' }],
    ['half a letter in the name', { name: 'A\ud800B' }],
    ['the other half of a letter in the name', { name: 'A\udc00B' }],
    ['half a letter in the picture', { image: 'https://example.com/\ud800.png' }],
    ['half a letter in the page', { callbackURL: '/a\ud800b' }],
    ['half a letter in a field that is not known', { other: 'a\ud800b' }],
    ['a name of letters and their accents', { name: 'Zoe\u0308 \ufb01 \u1e9e \u2126' }],
    ['a name of letters of two halves', { name: '\u{1d49c}'.repeat(100) }],
    ['blanks of other kinds around the name', { name: '\ufeff\u2003Eve\u2028\u00a0' }],
    ['signs that turn the direction in the name', { name: 'a\u202eb\u0007\u007f' }],
    ['a picture of a host in capitals', { image: 'HTTPS://EXAMPLE.com:443/é/%7e/../a' }],
    ['a name with a null byte', { name: 'x\0' }],
    ['no name', { name: '' }],
    ['a blank for a name', { name: ' ' }],
    ['blanks around the name', { name: ' Eve  ' }],
    ['a page of another site', { callbackURL: 'https://evil.example/' }],
    ['a role', { role: 'ADMIN' }],
    ['a password with half a letter', { password: `${STRANGERS}\ud800` }],
    ['rememberMe', { rememberMe: false }],
  ])('signing up with %s, and in', async (_, more) => {
    const seen = []
    for (const kind of KINDS) {
      const send = newCaller()
      const body = { ...bodyFor(await addressOf(kind), STRANGERS), ...more }
      const signedUp = await seenOf(await send('/sign-up/email', body))
      seen.push([signedUp, await seenOf(await send('/sign-in/email', body))])
    }
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
  })

  test.each([
    '/request-password-reset',
    '/send-verification-email',
    '/sign-in/magic-link',
    '/sign-up/email',
  ])(
    'to %s from the owner’s network, after strangers have used up the mailbox’s mails',
    async (path) => {
      const seen = []
      for (const kind of KINDS) {
        const email = await addressOf(kind)
        const network = `203.0.${made}`
        const home = { headers: { 'x-forwarded-for': `${network}.5` } }
        await setup.auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, home)
        for (let n = 0; n < 12; n += 1) await newCaller()(path, bodyFor(email, STRANGERS))
        const neighbour = { headers: { 'x-forwarded-for': `${network}.77` } }
        const answers = []
        for (let n = 0; n < 6; n += 1) {
          const answer = await auth.post(path, bodyFor(email, STRANGERS), neighbour)
          answers.push(await seenOf(answer))
        }
        seen.push(answers)
        await auth.settled()
      }
      expect(seen[0]?.map((answer) => (answer as unknown[])[0])).toEqual([
        ...Array(5).fill(200),
        429,
      ])
      expect(seen[1]).toEqual(seen[0])
      expect(seen[2]).toEqual(seen[0])
    },
  )

  test('a provider that does not vouch for the address, twice, with a sign-up before', async () => {
    const seen = []
    for (const before of [false, true]) {
      for (const kind of KINDS) {
        const email = await addressOf(kind)
        if (before) await newCaller()('/sign-up/email', bodyFor(email, STRANGERS))
        github.profile = { id: 1_000_000 + made, email, verified: false }
        seen.push([await comeFromGitHub(), await comeFromGitHub()])
      }
    }
    expect(seen[0]?.[0]).toMatch(/error=email_not_verified/)
    for (const each of seen) expect(each).toEqual(seen[0])
  })
})

/** What a browser sees that comes back from GitHub. */
async function comeFromGitHub(): Promise<string> {
  const begun = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const consent = await fetch(url, { redirect: 'manual' })
  const { pathname, search } = new URL(consent.headers.get('location') as string)
  const cookie = cookiesOf(begun)
  const answer = await auth.handler(auth.request(`${pathname}${search}`, { cookie }))
  await auth.settled()
  const cookies = answer.headers
    .getSetCookie()
    .map((line) => line.replace(/^([^=-]+)(-[^=]+)?=[^;]*/, '$1'))
  return `${answer.status} ${cookies.sort().join(' | ')} ${await answer.text()}`
}

describe('the right password of a sign-up that waits', () => {
  test('sends another confirmation, a few times an hour, and the same browser can use it', async () => {
    const email = await addressOf('unknown')
    const send = newCaller()
    await send('/sign-up/email', bodyFor(email, STRANGERS))
    await auth.settled()
    const confirmations = () =>
      auth.outbox.to(email).filter(({ template }) => template === 'WelcomeEmail')
    expect(confirmations()).toHaveLength(1)
    await send('/sign-in/email', bodyFor(email, 'not the password'))
    await auth.settled()
    expect(confirmations()).toHaveLength(1)
    for (let n = 0; n < 8; n += 1) {
      await newCaller()('/sign-in/email', bodyFor(email, STRANGERS))
    }
    await auth.settled()
    expect(confirmations()).toHaveLength(4)
    expect(logger.text).not.toContain(email)
    const [, token] = /token=([\w-]+)/.exec(confirmations().at(-1)?.text ?? '') ?? []
    expect((await send('/confirm-email', { token })).status).toBe(200)
    expect((await send('/sign-in/email', bodyFor(email, STRANGERS))).status).toBe(200)
  })

  test('tells a person nothing about an account whose address is proven', async () => {
    const email = await addressOf('known')
    const answer = await newCaller()('/sign-in/email', bodyFor(email, STRANGERS))
    expect([answer.status, await codeIn(answer)]).toEqual([401, 'invalid_email_or_password'])
    await auth.settled()
    expect(auth.outbox.to(email)).toEqual([])
  })
})
