/** A Next.js host with a small copy of auth, billing and email, for the tests of recipes. */

import { realpathSync } from 'node:fs'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import { planAdd } from '../plan-add.ts'
import { makeCheckout, temporaryFolder, write } from './fixture.ts'

/** The instances of a host, with its own comments and form. */
export const INSTANCES = `import { createAuth } from '@repo/auth'
import { createBilling, type Billing } from '@repo/billing'
import { lazy } from '@repo/core'

// Made with the first request.
export const billing: Billing = lazy(() =>
  createBilling({
    products: {}, // none yet
  }),
)

export const auth = lazy(() =>
  createAuth({
    events: {
      /* the customer */ userCreated: ({ id }) => billing.ensureCustomer(id),
    },
  }),
)
`

const json = (value: unknown) => JSON.stringify(value, null, 2)

/** The files that the small checkout has beside those of `checkoutFiles`. */
const BILLING = {
  'packages/billing/package.json': json({
    name: '@repo/billing',
    dependencies: { '@repo/core': 'workspace:*', '@repo/db': 'workspace:*' },
  }),
  'packages/billing/tollgate.json': json({
    part: 'billing',
    isChosen: true,
    required: ['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET'],
    optional: ['STRIPE_TRIAL_DAYS', 'CALCOM_EVENT_TYPES', 'CALCOM_WEBHOOK_SECRET'],
    extras: { calcom: { files: ['src/calcom.ts'], variables: ['CALCOM_'] } },
  }),
  'packages/billing/src/index.ts': 'export const createBilling = () => ({})\n',
  'packages/billing/src/calcom.ts': 'export const book = () => true\n',
  '.env.example': `# Get it from your host.
DATABASE_URL=

# Signs cookies.
BETTER_AUTH_SECRET=
# GitHub → Settings.
GITHUB_CLIENT_ID=
GITHUB_CLIENT_SECRET=

# Stripe → Developers.
STRIPE_SECRET_KEY=
# The endpoint's.
STRIPE_WEBHOOK_SECRET=
STRIPE_TRIAL_DAYS=

# Cal.com → Webhooks.
CALCOM_EVENT_TYPES=
CALCOM_WEBHOOK_SECRET=

# The key of the mails.
RESEND_API_KEY=
`,
}

/** A host into which the parts were copied, and the checkout that they are from. */
export interface RecipeHost {
  folder: string
  from: string
}

/** Makes the host. `files` are its own; null leaves one of the usual files out. */
export function recipeHost(
  files: Record<string, string | null> = {},
  checkoutFiles: Record<string, string> = {},
  options: { without?: string[]; parts?: string[]; app?: string } = {},
): RecipeHost {
  const from = makeCheckout({ ...BILLING, ...checkoutFiles })
  const folder = realpathSync(temporaryFolder())
  const usual: Record<string, string | null> = {
    'package.json': json({ name: 'acme', workspaces: ['apps/*', 'packages/*'] }),
    'apps/web/package.json': json({ name: 'web', dependencies: { next: '16.0.0' } }),
    'apps/web/src/app/page.tsx': 'export default () => null\n',
    'apps/web/tollgate.config.ts': "export { auth, billing } from './src/lib/tollgate.ts'\n",
    'apps/web/src/lib/tollgate.ts': INSTANCES,
    ...files,
  }
  const given = Object.entries(usual).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  )
  write(folder, Object.fromEntries(given))
  const { parts = ['auth', 'billing', 'email'], ...rest } = options
  applyPlan(folder, planAdd(openCheckout(from), openHost(folder), parts, rest))
  return { folder, from }
}
