/**
 * The provider's portal, on which customers manage their subscriptions.
 *
 * @module
 */

import type Stripe from 'stripe'
import { isCurrentStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { ensureCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import type { PortalSettings } from '../providers/stripe/checkout-settings.ts'
import { ask } from '../providers/stripe/client.ts'
import { returnUrl } from '../return-url.ts'

/** The input of `createBillingPortalSession`. */
export interface PortalInput {
  /** The id of the user or organization that pays. */
  ownerId: string
  /** A path or URL of the host. Default `/billing`. Some providers' portals do not lead back. */
  returnUrl?: string
  /** Settings of this session, which override those of `createBilling`. Used at Stripe only. */
  portal?: PortalSettings
}

/** A portal page that was opened. */
export interface PortalSession {
  /** The session's id at Stripe; null at other providers. */
  id: string | null
  /** The page to which the browser is sent. */
  url: string
}

/**
 * Opens the portal of the provider that bills the owner's plan, else of the provider that takes new payments.
 * The contract is in `functions/checkout.ts`.
 */
export async function createBillingPortalSession(
  ctx: BillingContext,
  input: PortalInput,
): Promise<PortalSession> {
  const { ownerId } = input
  const return_url = returnUrl(ctx.appUrl, input.returnUrl ?? ctx.pages.billing)
  const name = (await billedBy(ctx, ownerId)) ?? ctx.provider.name
  if (name !== 'stripe') return otherPortal(ctx, name, ownerId, return_url)
  const { stripeCustomerId } = await ensureCustomer(ctx, ownerId)
  const { configuration, locale } = { ...ctx.portal, ...input.portal }
  const set = {
    ...(configuration ? { configuration } : {}),
    ...(locale ? { locale: locale as Stripe.BillingPortal.SessionCreateParams.Locale } : {}),
  }
  const session = await ask(
    'billing_portal.session',
    ctx.stripe.billingPortal.sessions.create({ customer: stripeCustomerId, return_url, ...set }),
  )
  return { id: session.id, url: session.url }
}

/** The provider that bills the owner's current subscription; null without one. */
async function billedBy(ctx: BillingContext, ownerId: string): Promise<string | null> {
  const rows = await ctx.db.subscription.findMany({
    where: { customer: { ownerId }, needsAttention: null },
  })
  return rows.find(({ status }) => isCurrentStatus(status))?.provider ?? null
}

/** The portal of a provider other than Stripe. */
async function otherPortal(ctx: BillingContext, name: string, ownerId: string, returnUrl: string) {
  const provider = ctx.providerNamed(name)
  if (!provider.createPortal) {
    throw new BillingError('not_supported', `${name} has no portal for customers.`)
  }
  const order = await ctx.db.order.findFirst({
    where: { ownerId, provider: name, providerCustomerId: { not: null } },
    orderBy: { createdAt: 'desc' },
  })
  if (!order?.providerCustomerId) {
    throw new BillingError(
      'customer_not_found',
      `${ownerId} has not bought anything at ${name} yet.`,
    )
  }
  const { url } = await provider.createPortal({ customerId: order.providerCustomerId, returnUrl })
  return { id: null, url }
}
