/**
 * The provider's page on which a customer manages what they bought.
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

export interface PortalInput {
  ownerId: string
  /** A path or address of the host. Default `/billing`. Not every provider's page leads back. */
  returnUrl?: string
  /** What holds for this page, over what `createBilling` was given. Stripe's alone. */
  portal?: PortalSettings
}

/**
 * Opens the page of whoever bills the owner's plan, else of whoever takes the payments: there an owner
 * changes card or plan, cancels, and finds invoices. `id` is the session's at Stripe, null elsewhere.
 *
 * @throws `invalid_return_url`, `owner_not_found`, `provider_unavailable`, `provider_rejected`;
 * `customer_not_found` (404) for who has bought nothing at another provider than Stripe; `not_supported`
 * (422) where the provider has no such page.
 */
export async function createBillingPortalSession(
  ctx: BillingContext,
  input: PortalInput,
): Promise<{ id: string | null; url: string }> {
  const { ownerId } = input
  const return_url = returnUrl(ctx.appUrl, input.returnUrl ?? '/billing')
  const name = (await billedBy(ctx, ownerId)) ?? ctx.provider.name
  if (name !== 'stripe') return elsewhere(ctx, name, ownerId, return_url)
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

async function billedBy(ctx: BillingContext, ownerId: string): Promise<string | null> {
  const rows = await ctx.db.subscription.findMany({
    where: { customer: { ownerId }, needsAttention: null },
  })
  return rows.find(({ status }) => isCurrentStatus(status))?.provider ?? null
}

async function elsewhere(ctx: BillingContext, name: string, ownerId: string, returnUrl: string) {
  const provider = ctx.providerNamed(name)
  if (!provider.createPortal) {
    throw new BillingError('not_supported', `${name} has no page for customers.`)
  }
  const order = await ctx.db.order.findFirst({
    where: { ownerId, provider: name, providerCustomerId: { not: null } },
    orderBy: { createdAt: 'desc' },
  })
  if (!order?.providerCustomerId) {
    throw new BillingError('customer_not_found', `${ownerId} has no customer at ${name}.`)
  }
  const { url } = await provider.createPortal({ customerId: order.providerCustomerId, returnUrl })
  return { id: null, url }
}
