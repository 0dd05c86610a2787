/** People as the tests of second factors need them, and their ways in. */

import { expect } from 'vitest'
import { cookiesOf, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'

export interface Person {
  email: string
  userId: string
  secret: string
  backupCodes: string[]
  /** A session of aal2. */
  cookie: string
}

/** Somebody who has turned the second factor on, with the code of the half-minute before this one. */
export async function personWithFactor(auth: TestAuth): Promise<Person> {
  const { email, userId, cookie } = await auth.signIn()
  const enabled = await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
  const { totpURI, backupCodes } = (await enabled.json()) as {
    totpURI: string
    backupCodes: string[]
  }
  const secret = secretIn(totpURI)
  const verify = async () => {
    const code = await codeOf(secret, -1)
    return auth.post('/two-factor/verify-totp', { code }, { cookie })
  }
  let verified = await verify()
  // A half-minute may begin between the code and its check.
  if (verified.status === 401) verified = await verify()
  expect(verified.status).toBe(200)
  return { email, userId, secret, backupCodes, cookie: cookiesOf(verified) }
}

/** A sign-in by password: a session, or the cookie of one that waits for its code. */
export const byPassword = async (auth: TestAuth, email: string, cookie = ''): Promise<string> =>
  cookiesOf(await auth.post('/sign-in/email', { email, password: TEST_PASSWORD }, { cookie }))

/** A sign-in by a mailed link. */
export async function byLink(auth: TestAuth, email: string): Promise<string> {
  await auth.post('/sign-in/magic-link', { email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  return cookiesOf(await auth.post('/sign-in/magic-link/confirm', { token }))
}

export const codeIn = async (answer: Response): Promise<string | undefined> =>
  ((await answer.json().catch(() => null)) as { code?: string } | null)?.code
