/** The routes of auth, of webhooks, and of the returns from checkout and billing portal. */

export const tollgateRoutes = [
  { path: 'api/auth/*', file: 'routes/tollgate/auth.ts' },
  { path: 'api/webhooks/stripe', file: 'routes/tollgate/stripe.ts' },
  { path: 'billing', file: 'routes/tollgate/billing.ts' },
  { path: 'billing/success', file: 'routes/tollgate/success.ts' },
  { path: 'billing/canceled', file: 'routes/tollgate/canceled.ts' },
]
