/**
 * The modules that are compared: our packages, and the peers with the plugins that do the same.
 *
 * @module
 */

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The modules of Better Auth that a host imports for what `@repo/auth` has, without a database client. */
export const BETTER_AUTH = [
  'better-auth',
  'better-auth/adapters/prisma',
  ...['jwt', 'organization', 'two-factor', 'magic-link', 'generic-oauth'].map(
    (plugin) => `better-auth/plugins/${plugin}`,
  ),
  '@better-auth/passkey',
  '@better-auth/oauth-provider',
]

/** Imports that are compared, by name. */
export const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  '@repo/auth': ['@repo/auth'],
  'better-auth with plugins': BETTER_AUTH,
  '@repo/billing': ['@repo/billing'],
  stripe: ['stripe'],
  '@repo/email': ['@repo/email'],
  resend: ['resend'],
  'ours, all three': ['@repo/auth', '@repo/billing', '@repo/email'],
  'peers, all three': [...BETTER_AUTH, 'stripe', 'resend'],
}

const keep = (modules: readonly string[]) =>
  modules.map((module, at) => `export * as m${at} from '${module}'`)

/** A Prisma client for the same tables, with its driver; a host with Better Auth needs one, too. */
function client(): string[] {
  const db = createRequire(import.meta.url).resolve('@repo/db/package.json')
  const generated = JSON.stringify(join(dirname(db), 'src/generated/client.ts'))
  return [
    `export { PrismaClient } from ${generated}`,
    `export { PrismaPg } from '@prisma/adapter-pg'`,
  ]
}

/** The program of a host whose bundle is measured. */
export interface Program {
  name: string
  /** The program's lines. */
  lines: string[]
  /** Packages that the program's own packages mention and a host does not install with them. */
  leftOut?: string[]
}

/** Programs that are bundled, in pairs: ours and the peer's. */
export function programs(): [Program, Program][] {
  const auth = `export { auth, getSession } from '@repo/auth'`
  const billing = `export { createCheckoutSession, handleStripeWebhook } from '@repo/billing'`
  const email = `export { sendEmail } from '@repo/email'`
  const betterAuth = [...keep(BETTER_AUTH), ...client()]
  // Resend renders a template of React with this package, which a host adds for it.
  const resend = [`export { Resend } from 'resend'`, `export { render } from '@react-email/render'`]
  const stripe = `export { default as Stripe } from 'stripe'`
  // The SDK in `@repo/email` mentions the first, and `@repo/email` renders without it. The second is for hosts that
  // count rate limits in Redis.
  const leftOut = ['@react-email/render', 'ioredis']
  return [
    [
      { name: '@repo/auth', lines: [auth], leftOut },
      { name: 'better-auth with plugins and client', lines: betterAuth },
    ],
    [
      { name: '@repo/billing', lines: [billing], leftOut },
      {
        name: '@better-auth/stripe with client',
        lines: [
          ...keep(['better-auth', 'better-auth/adapters/prisma', '@better-auth/stripe']),
          ...client(),
          stripe,
        ],
      },
    ],
    [
      { name: '@repo/email', lines: [email], leftOut },
      { name: 'resend with render', lines: resend },
    ],
    [
      { name: 'ours, all three', lines: [auth, billing, email], leftOut },
      { name: 'peers, all three', lines: [...betterAuth, stripe, ...resend] },
    ],
  ]
}
