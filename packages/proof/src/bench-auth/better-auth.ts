/**
 * The competitor: Better Auth with its defaults on the same database, with and without its cookie cache.
 *
 * @module
 */

import { cookiesOf } from '@repo/auth/testing'
import type { Database } from '@repo/db'
import { betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import type { Subject } from './subjects.ts'

/** The kinds of Better Auth's cookie cache. */
export const COOKIE_CACHES = ['compact', 'jwt', 'jwe'] as const

type Strategy = (typeof COOKIE_CACHES)[number]

/** Better Auth that reads the session from the database. */
export const database = (db: Database): Promise<Subject> => peer(db, 'Better Auth, database')

/** Better Auth with a cookie cache. */
export const cookieCache = (db: Database, strategy: Strategy): Promise<Subject> =>
  peer(db, `Better Auth, cookie cache ${strategy}`, strategy)

async function peer(db: Database, name: string, strategy?: Strategy): Promise<Subject> {
  const auth = betterAuth({
    baseURL: 'http://localhost:3000',
    secret: 'a-secret-for-benchmarks-of-32-characters',
    telemetry: { enabled: false },
    database: prismaAdapter(db, { provider: 'postgresql', transaction: false }),
    verification: { modelName: 'verificationToken' },
    emailAndPassword: { enabled: true },
    session: {
      cookieCache: strategy ? { enabled: true, strategy, maxAge: 3_600 } : { enabled: false },
    },
  })
  const answer = await auth.api.signUpEmail({
    body: { name: 'Ada', email: `${strategy ?? 'row'}@example.com`, password: 'correct horse' },
    asResponse: true,
  })
  const headers = new Headers({ cookie: cookiesOf(answer) })
  const { user } = (await answer.json()) as { user: { id: string } }
  return {
    name,
    once: () => auth.api.getSession({ headers }),
    isRight: (found) => (found as { user: { id: string } } | null)?.user.id === user.id,
  }
}
