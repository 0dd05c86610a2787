/**
 * The host's pages that payments lead to, and their defaults.
 *
 * @module
 */

/** The paths of the host's own pages. */
export interface BillingPages {
  /** The page about plan, invoices and card. Mails link to it, and the portal returns to it. Default `/billing`. */
  billing: string
  /** The page after a payment. Stripe replaces `{CHECKOUT_SESSION_ID}` in a query. Default `/billing/success`. */
  success: string
  /** The page after a checkout that was left. Default `/billing/canceled`. */
  canceled: string
  /** The page on which the stand-in of development takes a payment. Default `/billing/checkout`. */
  checkout: string
}

/** The default pages. */
export const BILLING_PAGES: BillingPages = {
  billing: '/billing',
  success: '/billing/success',
  canceled: '/billing/canceled',
  checkout: '/billing/checkout',
}

/** The paths of the host's pages, with the defaults for paths that are left out or undefined. */
export function billingPagesOf(pages: Partial<BillingPages> = {}): BillingPages {
  const given = Object.entries(pages).filter(([, path]) => path !== undefined)
  return { ...BILLING_PAGES, ...Object.fromEntries(given) }
}

/** The page after a subscription's checkout, which gets the session's id unless the host wrote a query. */
export const withSessionId = (path: string): string =>
  path.includes('?') ? path : `${path}?session_id={CHECKOUT_SESSION_ID}`
