/**
 * Every field of every endpoint, alone, as what it is not: a refusal says whose mistake it is, and none is ours.
 * Every field gets every value: among valid fields, from a user who is signed in. The field alone and a stranger's
 * request take turns, so that each field and each value meets each of them, but not every field with every value.
 */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { setUpAuth } from './setup.ts'
import { type FieldPath, nested, type Shape, shapesOf } from './shapes.ts'

const setup = setUpAuth()
const logger = createTestLogger()
const FORM = 'application/x-www-form-urlencoded'
let issuer: Issuer
let auth: TestAuth
let cookie: string
let shapes: Shape[]
beforeAll(async () => {
  issuer = await startIssuer({ redirectUri: `${TEST_ORIGIN}/api/auth/callback/acme` })
  auth = createTestAuth({
    db: setup.db,
    logger,
    twoFactor: true,
    oauth: { scopes: ['bookings:read'] },
    oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } },
    github: { clientId: 'x', clientSecret: 'y' },
  })
  cookie = (await auth.signIn('victim@example.com')).cookie
  shapes = shapesOf(auth, 'acme')
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await issuer.close()
})

const LONG = 'a'.repeat(64 * 1024 - 300)
const VALUES: [string, unknown][] = [
  ['an object', { a: { b: 1 } }],
  ['a list', ['a', 1, null]],
  ['a number', 1e308],
  ['true', true],
  ['null', null],
  ['an empty text', ''],
  ['64 KiB of text', LONG],
]
const TEXTS: [string, string][] = [
  ['text', 'x'],
  ['nothing', ''],
  ['JSON', '{"a":["b"]}'],
  ['15 KiB', LONG.slice(0, 15_000)],
]
const asText = (value: unknown) =>
  typeof value === 'object' ? JSON.stringify(value) : String(value)

type Pair = [string, string]

interface Sent {
  query?: URLSearchParams
  body?: string
  type?: string
}

async function send({ path, method }: Shape, as: string, { query, body, type }: Sent) {
  const answer = await auth.handler(
    new Request(`${TEST_ORIGIN}/api/auth${path}${query ? `?${query}` : ''}`, {
      method,
      headers: {
        origin: TEST_ORIGIN,
        ...(as ? { cookie: as } : {}),
        ...(type ? { 'content-type': type } : {}),
      },
      ...(body === undefined ? {} : { body }),
    }),
  )
  return answer.status
}

/** Some endpoints end the session or change what it is good for. */
const ENDS = /sign-out|revoke|delete|change-password|two-factor/

async function stillIn(): Promise<string> {
  const present = await auth.getSession(auth.request('/', { cookie }), { fresh: true })
  if (present) return cookie
  const answer = await auth.post('/sign-in/email', {
    email: 'victim@example.com',
    password: TEST_PASSWORD,
  })
  cookie = cookiesOf(answer)
  return cookie
}

/** The field among others as the schema wants them, so that it is looked at; and what else may be sent, in turn. */
function* requestsWith(shape: Shape, field: FieldPath, value: unknown, turn: number) {
  const only = nested(field, value) as object
  const others = shape.body.filter(([first, ...more]) => first !== field[0] && more.length === 0)
  const valid = Object.fromEntries(others.map((other) => [other[0], shape.valid(other)]))
  const alone: Sent = { body: JSON.stringify(only), type: 'application/json' }
  const among: Sent = { body: JSON.stringify({ ...valid, ...only }), type: 'application/json' }
  yield { sent: among, isSignedIn: true }
  const rest = [
    { sent: among, isSignedIn: false },
    { sent: alone, isSignedIn: true },
    { sent: alone, isSignedIn: false },
  ]
  yield rest[turn % rest.length] as (typeof rest)[number]
  if (!shape.types.includes(FORM)) return
  const form = { ...valid, [field.join('.')]: asText(value) }
  const texts = Object.entries(form).map(([name, each]): Pair => [name, asText(each)])
  const sent: Sent = { body: new URLSearchParams(texts).toString(), type: FORM }
  yield { sent, isSignedIn: turn % 2 === 0 }
}

test.each(VALUES)('%s instead of each field of a body', async (label, value) => {
  expect(shapes.length).toBeGreaterThan(70)
  const failed: string[] = []
  const row = VALUES.findIndex(([each]) => each === label)
  for (const shape of shapes) {
    let signedIn = await stillIn()
    for (const [column, field] of shape.body.entries()) {
      if (ENDS.test(shape.path)) signedIn = await stillIn()
      for (const { sent, isSignedIn } of requestsWith(shape, field, value, row + column)) {
        const status = await send(shape, isSignedIn ? signedIn : '', sent)
        if (status >= 500) failed.push(`${status} ${shape.path} ${field.join('.')} ${sent.type}`)
      }
    }
  }
  expect(failed).toEqual([])
})

test.each(TEXTS)('%s instead of each parameter of a query', async (label, text) => {
  const failed: string[] = []
  const row = TEXTS.findIndex(([each]) => each === label)
  for (const shape of shapes) {
    const signedIn = await stillIn()
    for (const [column, field] of shape.query.entries()) {
      const name = field.join('.')
      const pairs: Pair[][] = [
        [[name, text]],
        [
          [name, text],
          [name, 'b'],
          [`${name}[a]`, 'b'],
        ],
      ]
      for (const [number, each] of pairs.entries()) {
        const query = new URLSearchParams(each)
        const body = shape.method === 'GET' ? {} : { body: '{}', type: 'application/json' }
        const isSignedIn = (row + column + number) % 2 === 0
        const status = await send(shape, isSignedIn ? signedIn : '', { query, ...body })
        if (status >= 500) failed.push(`${status} ${shape.path} ${query.toString().slice(0, 60)}`)
      }
    }
  }
  expect(failed).toEqual([])
})

test('promise 7: after all of that the log contains no address and no password', () => {
  expect(logger.text).not.toContain('victim@example.com')
  expect(logger.text).not.toContain(TEST_PASSWORD)
})
