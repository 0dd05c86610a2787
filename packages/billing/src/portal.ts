import type { BillingContext } from './context.ts'
import { ensureCustomer } from './customers.ts'
import { returnUrl } from './return-url.ts'
import { ask } from './stripe.ts'

export interface PortalInput {
  ownerId: string
  /** A path or address of the host. Default `/billing`. */
  returnUrl?: string
}

/**
 * Opens the provider's page on which an owner changes card or plan, cancels, and finds invoices.
 *
 * @throws `invalid_return_url`, `owner_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export async function createBillingPortalSession(
  ctx: BillingContext,
  input: PortalInput,
): Promise<{ id: string; url: string }> {
  const return_url = returnUrl(ctx.appUrl, input.returnUrl ?? '/billing')
  const { stripeCustomerId } = await ensureCustomer(ctx, input.ownerId)
  const session = await ask(
    'billing_portal.session',
    ctx.stripe.billingPortal.sessions.create({ customer: stripeCustomerId, return_url }),
  )
  return { id: session.id, url: session.url }
}
