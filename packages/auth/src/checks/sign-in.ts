/**
 * Checks what a real sign-in answers: the flags of its cookies, the rotation of the session, and the claims of the
 * access token. A throwaway user signs in at the handler; nothing of it remains, see `openRehearsal` of `@repo/db`.
 *
 * @module
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { type Check, type CheckResult, failed, passed, skipped } from '@repo/core/checks'
import type { Database } from '@repo/db'
import type { Auth } from '../instance.ts'
import { cookiesAt } from '../session/cookies.ts'

/** The instance at which the user signs in. Its rows are in `db`. */
export interface SignInSubject {
  auth: Pick<Auth, 'handler' | 'getSession'>
  db: Database
  baseURL: string
  hash(password: string): Promise<string>
}

/** A cookie as the answer set it. */
interface SetCookie {
  name: string
  value: string
  /** The attributes in lower case, such as `httponly` and `samesite=strict`. */
  attributes: string[]
}

interface SignedIn {
  user: { name: string; email: string }
  /** The cookies of the first sign-in, and of the second one in the same browser. */
  first: SetCookie[]
  second: SetCookie[]
  /** The cookies of a sign-in in a browser in which somebody had planted a session. */
  planted: SetCookie[]
  plantedValue: string
  /** The cookies of the second sign-in signed the caller in; the planted one alone did not. */
  isSignedIn: boolean
  isPlantedRefused: boolean
}

/** The checks. The user signs in once for all of them. */
export function signInChecks(subject: () => Promise<SignInSubject>): Check[] {
  let trial: Promise<SignedIn & { baseURL: string }> | undefined
  const tried = () => {
    trial ??= subject().then(async (made) => ({ ...(await signIn(made)), baseURL: made.baseURL }))
    return trial
  }
  const of = (
    id: string,
    judge: (trial: SignedIn & { baseURL: string }) => CheckResult,
  ): Check => ({
    id,
    async run() {
      return judge(await tried())
    },
  })
  return [of('auth.cookies', cookies), of('auth.rotation', rotation), of('auth.token', token)]
}

async function signIn({ auth, db, baseURL, hash }: SignInSubject): Promise<SignedIn> {
  const id = randomUUID()
  // The token names the id of the user, so nothing else of the user may hold it.
  const user = {
    name: `Doctor ${randomBytes(6).toString('hex')}`,
    email: `${randomBytes(9).toString('hex')}@example.com`,
  }
  const password = randomBytes(18).toString('base64url')
  await db.user.create({ data: { id, ...user, emailVerified: true } })
  await db.account.create({
    data: {
      id,
      accountId: id,
      providerId: 'credential',
      userId: id,
      password: await hash(password),
    },
  })
  const { session } = cookiesAt(baseURL)
  const request = async (cookie: string) => {
    const answer = await auth.handler(
      new Request(`${baseURL}/api/auth/sign-in/email`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: baseURL, ...(cookie && { cookie }) },
        body: JSON.stringify({ email: user.email, password }),
      }),
    )
    if (answer.status !== 200) {
      const { code = 'without a code' } = (await answer.json().catch(() => ({}))) as {
        code?: string
      }
      throw new Error(
        `The sign-in of a throwaway user was answered with ${answer.status} (${code}).`,
      )
    }
    return answer.headers.getSetCookie().map(parse).filter(isSet)
  }
  const first = await request('')
  const second = await request(headerOf(first))
  const plantedValue = `${randomBytes(24).toString('base64url')}.${randomBytes(32).toString('base64url')}`
  const planted = await request(`${session}=${plantedValue}`)
  const signedIn = (cookie: string) =>
    auth.getSession(new Request(baseURL, { headers: { cookie } }))
  return {
    user,
    first,
    second,
    planted,
    plantedValue,
    isSignedIn: (await signedIn(headerOf(second))) !== null,
    isPlantedRefused: (await signedIn(`${session}=${plantedValue}`)) === null,
  }
}

function parse(line: string): SetCookie {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
  const at = pair.indexOf('=')
  return {
    name: pair.slice(0, at),
    value: pair.slice(at + 1),
    attributes: attributes.map((each) => each.toLowerCase()),
  }
}

const isSet = ({ value, attributes }: SetCookie): boolean =>
  value !== '' && !attributes.includes('max-age=0')

const headerOf = (cookies: readonly SetCookie[]): string =>
  cookies.map(({ name, value }) => `${name}=${value}`).join('; ')

function cookies({ second, baseURL }: SignedIn & { baseURL: string }): CheckResult {
  const isSecure = cookiesAt(baseURL).attributes.secure
  const wanted = ['httponly', 'samesite=strict', 'path=/', ...(isSecure ? ['secure'] : [])]
  const written: Record<string, string> = {
    httponly: 'HttpOnly',
    'samesite=strict': 'SameSite=Strict',
    'path=/': 'Path=/',
    secure: 'Secure',
  }
  const wrong = second.flatMap(({ name, attributes }) => {
    const lacks = wanted.filter((each) => !attributes.includes(each)).map((each) => written[each])
    const isShared = attributes.some((each) => each.startsWith('domain='))
    return [
      ...(lacks.length > 0 ? [`${name} lacks ${lacks.join(', ')}`] : []),
      ...(isShared ? [`${name} is sent to other hosts (Domain)`] : []),
    ]
  })
  if (second.length === 0)
    return failed('A sign-in set no cookie.', 'Let the answer of the handler through as it is.')
  if (wrong.length > 0)
    return failed(
      `Of the cookies of a sign-in, ${wrong.join('; ')}.`,
      'Let the Set-Cookie headers of the handler through as they are.',
    )
  const flags = wanted.map((each) => written[each]).join(', ')
  const local = isSecure
    ? ''
    : `; Secure is left out, because ${baseURL} is this machine without TLS`
  return passed(`All ${second.length} cookies of a sign-in have ${flags}${local}.`)
}

function rotation(trial: SignedIn & { baseURL: string }): CheckResult {
  const { session } = cookiesAt(trial.baseURL)
  const of = (all: readonly SetCookie[]) => all.find(({ name }) => name === session)?.value
  const [first, second, planted] = [of(trial.first), of(trial.second), of(trial.planted)]
  const advice = 'Let no plugin and no proxy keep the old session cookie at a sign-in.'
  if (!first || !second || !planted) return failed('A sign-in set no session cookie.', advice)
  if (!trial.isSignedIn) return failed('The cookies of a sign-in did not sign the user in.', advice)
  if (second === first) return failed('A second sign-in kept the session of the first one.', advice)
  if (planted === trial.plantedValue || !trial.isPlantedRefused)
    return failed('A session that was planted before the sign-in was taken over.', advice)
  const ids = [trial.first, trial.second].map((all) => claimsIn(all, trial.baseURL)?.sid)
  if (ids[0] !== undefined && ids[0] === ids[1])
    return failed('The access tokens of two sign-ins name the same session.', advice)
  return passed(
    'Each sign-in made a new session and a new token, and a planted session was refused.',
  )
}

function claimsIn(all: readonly SetCookie[], baseURL: string): Record<string, unknown> | null {
  const token = all.find(({ name }) => name === cookiesAt(baseURL).access)?.value
  if (token === undefined) return null
  const [, payload = ''] = decodeURIComponent(token).split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Record<string, unknown>
}

/** Claims whose values are about a person, as OpenID Connect names them. */
const PERSONAL =
  /^(name|given_name|family_name|middle_name|nickname|preferred_username|profile|picture|website|email|email_verified|gender|birthdate|phone_number|address|image|phone|ip|ipAddress|userAgent)$/i

/** RFC 9068 and the mission ask for an hour at the most. */
const LONGEST_SECONDS = 3_600

function token({ second, baseURL, user }: SignedIn & { baseURL: string }): CheckResult {
  const claims = claimsIn(second, baseURL)
  if (claims === null) return skipped('A sign-in set no access token.')
  const text = JSON.stringify(claims).toLowerCase()
  const held = [
    ...Object.keys(claims).filter((name) => PERSONAL.test(name)),
    ...(text.includes(user.email.split('@')[0] as string) || text.includes(user.name.toLowerCase())
      ? ['the name or the address of its user']
      : []),
  ]
  if (held.length > 0)
    return failed(
      `The access token can be read by everybody who holds it, and has ${held.join(', ')}.`,
      'Put ids into the token, and look personal data up with getUser.',
    )
  const seconds = Number(claims.exp) - Number(claims.iat)
  const lacks = ['iss', 'aud', 'exp', 'iat', 'sub'].filter((name) => claims[name] === undefined)
  if (lacks.length > 0)
    return failed(`The access token lacks ${lacks.join(', ')}.`, 'Sign tokens with this package.')
  if (!(seconds <= LONGEST_SECONDS))
    return failed(
      `The access token lives for ${seconds} s.`,
      'Let it live for an hour at the most.',
    )
  return passed(
    `The access token has ${Object.keys(claims).join(', ')}, no personal data, and lives for ${seconds} s.`,
  )
}
