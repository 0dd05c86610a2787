/**
 * What billing's domain functions work with. Each part is made on first use, so that a host without
 * Cal.com needs no Cal.com variable.
 *
 * @module
 */

import { type Clock, createLogger, type Logger, readEnv, systemClock } from '@repo/core'
import { type Database, db } from '@repo/db'
import { sendEmail } from '@repo/email'
import type Stripe from 'stripe'
import { z } from 'zod'
import { type Calcom, calcomFromEnv } from './calcom.ts'
import { type Plans, plans } from './plans.ts'
import { stripe, stripeWebhookEnv } from './stripe.ts'

/** Who pays: a user or an organization of the host. */
export interface Owner {
  type: 'user' | 'organization'
  name: string
  /** Where invoices and notices go. */
  email: string
  /** BCP 47. Default: English. */
  locale?: string
}

/** The part of `@repo/email` that billing calls. */
export interface Sender {
  sendEmail: typeof sendEmail
}

export interface BillingContext {
  readonly db: Database
  readonly stripe: Stripe
  readonly plans: Plans
  readonly sender: Sender
  readonly logger: Logger
  readonly clock: Clock
  /** The host's address. Return addresses must lie below it. */
  readonly appUrl: URL
  readonly stripeWebhookSecrets: readonly string[]
  readonly calcom: Calcom
  owner(ownerId: string): Promise<Owner | null>
}

export interface BillingOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** Default: the process-wide client of `STRIPE_SECRET_KEY`. */
  stripe?: Stripe
  /** Default: FREE, PRO and ENTERPRISE. */
  plans?: Plans
  /** Default: `sendEmail` of `@repo/email`. */
  sender?: Sender
  /** Put behind the mask. Default: JSON lines on standard error. */
  logger?: Logger
  clock?: Clock
  /** Default `APP_URL`. */
  appUrl?: string
  /** More than one while a secret is replaced. Default `STRIPE_WEBHOOK_SECRET`. */
  stripeWebhookSecrets?: readonly string[]
  /** Default: the `CALCOM_…` variables. */
  calcom?: Calcom
  /** Looks up who pays; null if there is no such owner. Default: the User and Organization tables. */
  owner?: (ownerId: string) => Promise<Owner | null>
}

export const appEnv = z.object({
  /** Where people reach the host, without a path. */
  APP_URL: z.url({ protocol: /^https?$/ }),
})

/** Fills in what `options` leaves out, from the environment and on first use. */
export function createContext(options: BillingOptions = {}): BillingContext {
  const once = <T>(make: () => T): (() => T) => {
    let made: { value: T } | undefined
    return () => {
      made ??= { value: make() }
      return made.value
    }
  }
  const database = options.db ?? db
  const appUrl = once(() => new URL(options.appUrl ?? readEnv(appEnv).APP_URL))
  const secrets = once(
    () =>
      options.stripeWebhookSecrets ??
      readEnv(stripeWebhookEnv)
        .STRIPE_WEBHOOK_SECRET.split(',')
        .map((secret) => secret.trim()),
  )
  const calcom = once(() => options.calcom ?? calcomFromEnv())
  return {
    db: database,
    stripe: options.stripe ?? stripe,
    plans: options.plans ?? plans,
    sender: options.sender ?? { sendEmail },
    logger: createLogger(options.logger),
    clock: options.clock ?? systemClock,
    get appUrl() {
      return appUrl()
    },
    get stripeWebhookSecrets() {
      return secrets()
    },
    get calcom() {
      return calcom()
    },
    owner: options.owner ?? ((ownerId) => ownerInDatabase(database, ownerId)),
  }
}

async function ownerInDatabase(db: Database, ownerId: string): Promise<Owner | null> {
  const user = await db.user.findUnique({ where: { id: ownerId } })
  if (user) return { type: 'user', name: user.name, email: user.email }
  const organization = await db.organization.findUnique({
    where: { id: ownerId },
    include: {
      members: {
        where: { role: 'OWNER' },
        include: { user: true },
        orderBy: { createdAt: 'asc' },
        take: 1,
      },
    },
  })
  const [first] = organization?.members ?? []
  if (!organization || !first) return null
  return { type: 'organization', name: organization.name, email: first.user.email }
}
