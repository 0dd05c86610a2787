/**
 * Every value that a stranger, or somebody who is signed in, can get out of auth: states, challenges, cookies,
 * codes, the tokens of every mail, signed queries, and what a reader of the database sees.
 */

import { createOTP } from '@better-auth/utils/otp'
import type { Database } from '@repo/db'
import { expect } from 'vitest'
import { ACCESS_COOKIE, COOKIE_PREFIX, SESSION_COOKIE } from '../session/cookies.ts'
import { cookiesOf, TEST_ORIGIN, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { secretIn } from './authenticator.ts'
import { createPrograms } from './programs.ts'

export interface Value {
  label: string
  value: string
  /** The places where it may do something: `POST /confirm-email token`, `cookie <name>`, `bearer`. */
  own: RegExp
  /** A verification row stands behind it, which might be found under another name. */
  isRow: boolean
  /** For a text that a reader of the database sees of a row: the number of the row, and which of three texts. */
  stored: { row: number; text: number } | null
}

export const TWO_FACTOR_COOKIE = `${COOKIE_PREFIX}.two_factor`
export const PASSKEY_COOKIE = `${COOKIE_PREFIX}.passkey_challenge`
export const STATE_COOKIE = `${COOKIE_PREFIX}.state`

/** Nowhere. */
const NOTHING = /^$/

export async function collect(auth: TestAuth, db: Database) {
  const values: Value[] = []
  const cookieNames = new Set(COOKIE_NAMES)
  const add = (label: string, value: string | null | undefined, own: RegExp = NOTHING) => {
    if (!value) throw new Error(`There is no ${label}.`)
    const isRow = / (state|token|code|:token)\b/.test(own.source)
    values.push({ label, value, own, isRow, stored: null })
  }
  /** The cookies of an answer: as they are, and the text that is signed in them. */
  const addCookies = (answer: Response, from: string) => {
    for (const pair of cookiesOf(answer).split('; ').filter(Boolean)) {
      const name = pair.slice(0, pair.indexOf('='))
      cookieNames.add(name)
      const value = pair.slice(name.length + 1)
      const own = new RegExp(`^cookie ${name.replaceAll('.', '\\.')}$`)
      const isAccess = name === ACCESS_COOKIE
      add(
        `the cookie ${name} of ${from}`,
        value,
        isAccess ? new RegExp(`${own.source}|^bearer`) : own,
      )
      if (!isAccess) add(`the text in ${name} of ${from}`, decodeURIComponent(value).split('.')[0])
    }
  }
  const json = async (answer: Response) => (await answer.json()) as Record<string, string>

  // What everybody can ask for.
  const social = await auth.post('/sign-in/social', { provider: 'github', callbackURL: '/x' })
  addCookies(social, 'a social sign-in')
  const authorizationUrl = (await json(social)).url as string
  const stateOf = (url: string) => new URL(url).searchParams.get('state') as string
  const state = stateOf(authorizationUrl)
  add('an OAuth state', state, /^(GET|POST) \/callback\/:id state$/)
  const passkeys = await auth.handler(
    auth.request('/api/auth/passkey/generate-authenticate-options'),
  )
  addCookies(passkeys, 'a passkey sign-in')
  add('a passkey challenge', (await json(passkeys)).challenge)

  // What mails bring: to an address nobody has proven, and to one's own.
  const signUp = await auth.post('/sign-up/email', {
    name: 'New',
    email: 'unproven@example.com',
    password: TEST_PASSWORD,
  })
  addCookies(signUp, 'a sign-up')
  await auth.settled()
  const confirmation = tokenOf(auth.outbox, 'WelcomeEmail')
  add('a confirmation token', confirmation, /^POST \/confirm-email token$/)
  const mallory = await auth.signIn('mallory@example.com')
  addCookies(
    await auth.post('/sign-in/email', { email: mallory.email, password: TEST_PASSWORD }),
    'a sign-in',
  )
  await auth.post('/request-password-reset', { email: mallory.email })
  await auth.post('/sign-in/magic-link', { email: mallory.email })
  await auth.settled()
  const reset = tokenOf(auth.outbox, 'PasswordResetEmail')
  add('a reset token', reset, /^(POST \/reset-password token|GET \/reset-password\/:token :token)$/)
  const link = tokenOf(auth.outbox, 'MagicLinkEmail')
  add('a magic link', link, /^POST \/sign-in\/magic-link\/confirm token$/)

  // What the mails of a change of address bring, to the new one and to the old one.
  const mover = await auth.signIn('mover@example.com')
  await auth.post('/change-email', { newEmail: 'moved@example.com' }, { cookie: mover.cookie })
  await auth.settled()
  const moved = tokenOf(auth.outbox, 'NewAddressEmail')
  add('a link to a new address', moved, /^POST \/change-email\/confirm token$/)
  const undone = tokenOf(auth.outbox, 'AddressChangeEmail')
  add('a link that takes a change back', undone, /^POST \/change-email\/undo token$/)

  // What somebody with a second factor of their own gets.
  const careful = await auth.signIn('careful@example.com')
  const enabled = await auth.post(
    '/two-factor/enable',
    { password: TEST_PASSWORD },
    { cookie: careful.cookie },
  )
  const { totpURI = '', backupCodes } = (await json(enabled)) as Record<string, string>
  add('a TOTP secret', secretIn(totpURI))
  const first = await createOTP(secretIn(totpURI)).hotp(Math.floor(Date.now() / 30_000))
  await auth.post('/two-factor/verify-totp', { code: first }, { cookie: careful.cookie })
  add('a backup code', backupCodes?.[0])
  const challenge = await auth.post('/sign-in/email', {
    email: careful.email,
    password: TEST_PASSWORD,
  })
  addCookies(challenge, 'a sign-in that waits for its second factor')

  // What a program and its user get.
  const { make, token, authorize, consent } = createPrograms(() => ({ auth, admin: admin.cookie }))
  const admin = await auth.signIn('admin@example.com')
  await db.user.update({ where: { id: admin.userId }, data: { role: 'ADMIN' } })
  const scopes = ['openid', 'offline_access', 'bookings:read']
  const redirectUris = ['https://client.example/callback']
  const isConfidential = false
  const program = await make({ name: 'Program', scopes, redirectUris, isConfidential })
  const service = await make({ name: 'Service', scopes: ['bookings:read'] })
  add('a client id', service.clientId, /client_id/)
  add('a client secret', service.clientSecret, /client_secret/)
  const { cookie } = await auth.signIn('reader@example.com')
  // A session token begins with its session's id, and parameters are signed in the order of their names.
  const theirs = await db.session.findFirstOrThrow({ where: { userId: admin.userId } })
  const asked = await authorize(program.clientId, cookie, { [`${theirs.id}-`]: 'x' })
  const query = new URL(asked.location, TEST_ORIGIN).searchParams
  add('a signed query', query.toString(), /oauth_query/)
  const signature = query.get('sig')
  add('the signature of a query', signature)
  query.delete('sig')
  query.sort()
  add('a signed query as a cookie', encodeURIComponent(`${query}.${signature}`))
  const code = (await consent(asked.location, cookie)).searchParams.get('code') as string
  add('an authorization code', code, /^POST \/oauth2\/token code$/)
  const other = await authorize(program.clientId, cookie)
  const exchanged = await token({
    grant_type: 'authorization_code',
    client_id: program.clientId,
    redirect_uri: redirectUris[0] as string,
    code: new URL(other.location).searchParams.get('code') as string,
    code_verifier: other.verifier,
  })
  const OF_PROGRAMS =
    /^(bearer|basic|(GET|POST) \/oauth2\/(introspect|revoke|userinfo|end-session))/
  add('a program’s access token', exchanged.access_token, OF_PROGRAMS)

  // What somebody signed in gets.
  const linking = await auth.post(
    '/link-social',
    { provider: 'github' },
    { cookie: mallory.cookie },
  )
  add(
    'a state of linking',
    stateOf((await json(linking)).url as string),
    /^(GET|POST) \/callback\/:id state$/,
  )

  // What a reader of the database sees.
  const rows = await db.verificationToken.findMany()
  const purposes = new Map(rows.map((row) => [row.identifier.split(':')[1], row]))
  expect([...purposes.keys()].sort()).toEqual(IN_ROWS)
  for (const [number, [purpose, row]] of [...purposes].entries()) {
    const from = values.length
    add(`the stored identifier of ${purpose}`, row.identifier)
    add('its end', row.identifier.slice('hashed:'.length))
    add(`the hash stored for ${purpose}`, row.identifier.split(':')[2])
    for (const [text, value] of values.slice(from).entries()) value.stored = { row: number, text }
  }
  add('the id of a row', rows[0]?.id)
  for (const row of await db.oauthRefreshToken.findMany()) add('a stored refresh token', row.token)
  const stored = await db.twoFactor.findFirstOrThrow({ where: { verified: true } })
  add('a stored backup code', (JSON.parse(stored.backupCodes) as string[])[0])
  add('a stored TOTP secret', stored.secret)
  return {
    values,
    cookieNames: [...cookieNames],
    mover,
    undone,
    mallory,
    program,
    asked,
    link,
    reset,
    confirmation,
    code,
    state,
    social: { authorizationUrl, cookie: cookiesOf(social) },
  }
}

/** The purposes of which there is a row by then. */
const IN_ROWS = [
  'authorization-code',
  'email-change',
  'email-change-undo',
  'email-confirmation',
  'magic-link',
  'oauth-state',
  'passkey-challenge',
  'password-reset',
  'second-factor-attempts',
  'second-factor-challenge',
  'sign-up',
]

/** What is asked of the handler: the cookie names that mean something here. */
export const COOKIE_NAMES = [
  SESSION_COOKIE,
  ACCESS_COOKIE,
  TWO_FACTOR_COOKIE,
  PASSKEY_COOKIE,
  STATE_COOKIE,
  `${COOKIE_PREFIX}.dont_remember`,
  `${COOKIE_PREFIX}.trust_device`,
  `${COOKIE_PREFIX}.oauth_state`,
  `${COOKIE_PREFIX}.session_data`,
  `${COOKIE_PREFIX}.account_data`,
  `${SESSION_COOKIE}.oauth_logout_confirmation`,
]
