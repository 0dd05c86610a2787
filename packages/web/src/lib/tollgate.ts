import { createAuth } from '@repo/auth'
import { createBilling, definePlans } from '@repo/billing'
import { lazy } from '@repo/core'

/** `lazy`: made with the first request, so that a build needs no variable. */
export const billing = lazy(() =>
  createBilling({
    plans: definePlans({
      FREE: { name: 'Free' },
      PRO: {
        name: 'Pro',
        prices: { month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' } },
        credits: { amount: 1000, rollover: 'none' },
      },
    }),
    products: {},
  }),
)

export const auth = lazy(() =>
  createAuth({
    events: {
      userCreated: ({ id }) => billing.ensureCustomer(id),
      emailChanged: ({ id }) => billing.updateCustomer(id),
      userDeleted: ({ id }) => billing.forgetOwner(id),
    },
  }),
)
